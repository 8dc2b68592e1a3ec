//! A server on TCP tells the time, and many clients ask it at once: one process for the server, one for each client.
//!
//! `cargo run --example daytime` starts them all. By hand: `daytime serve tcp://127.0.0.1:7013` in one terminal, which ends
//! with its input, and `daytime ask tcp://127.0.0.1:7013` in others.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const CLIENTS: u64 = 8;

/// Questions of each client, over one connection.
const QUESTIONS: u64 = 10;

/// What the server tells.
#[farcall::service]
pub trait Daytime {
    /// The time by the server's clock.
    #[idempotent]
    fn now(&self) -> SystemTime;
    /// How often it was asked for the time, by all clients together.
    fn answers(&self) -> u64;
}

#[derive(Default)]
struct Clock {
    answers: AtomicU64,
}

impl Daytime for Clock {
    fn now(&self) -> SystemTime {
        self.answers.fetch_add(1, Ordering::Relaxed);
        SystemTime::now()
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

/// Serves until standard input ends, and says where.
fn serve(url: &str) -> Result<(), Box<dyn Error>> {
    let server = farcall::serve(url, DaytimeServer::new(Clock::default())).wait()?;
    println!("{}", server.url());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Asks, and compares with the clock on the wall here: it may be set in between, but not by a minute.
fn ask(url: &str) -> Result<(), Box<dyn Error>> {
    let daytime: DaytimeClient = farcall::connect(url).wait()?;
    let mut told = daytime.now().wait()?;
    for _ in 1..QUESTIONS {
        told = daytime.now().wait()?;
    }
    let apart = SystemTime::now().duration_since(told).unwrap_or_else(|error| error.duration());
    if apart > Duration::from_secs(60) {
        return Err(format!("the clocks are {apart:?} apart").into());
    }
    let seconds = told.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    println!("it is {:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", url] => return serve(url),
        ["ask", url] => return ask(url),
        _ => {}
    }
    let program = std::env::current_exe()?;
    // Port 0 is one that is free; the server says which.
    let mut server = Command::new(&program);
    server.args(["serve", "tcp://127.0.0.1:0"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = server.spawn()?;
    let mut url = String::new();
    BufReader::new(server.stdout.take().ok_or("the server has no output")?).read_line(&mut url)?;

    let ask = |_| Command::new(&program).args(["ask", url.trim()]).stdout(Stdio::piped()).spawn();
    let clients = (0..CLIENTS).map(ask).collect::<Result<Vec<_>, _>>()?;
    for (number, client) in clients.into_iter().enumerate() {
        let ended = client.wait_with_output()?;
        print!("client {number}: {}", String::from_utf8_lossy(&ended.stdout));
        if !ended.status.success() {
            return Err(format!("client {number} failed: {}", ended.status).into());
        }
    }
    let answers = farcall::connect::<DaytimeClient>(url.trim()).wait()?.answers().wait()?;
    println!("{CLIENTS} clients, {answers} answers");
    drop(server.stdin.take());
    let is_well = server.wait()?.success() && answers == CLIENTS * QUESTIONS;
    if is_well { Ok(()) } else { Err("an answer is missing, or the server failed".into()) }
}
