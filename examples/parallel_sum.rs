//! The numbers from 1 to 10,000,000, added up by worker processes: children behind one client, then one over each wire.
//! `cargo run --release --example parallel_sum` also says how much faster two workers are than one.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farcall::Error;

const LAST: u64 = 10_000_000;

/// Pieces that the numbers are cut into, so that the workers end at about the same time.
const PIECES: u64 = 20;

/// What a worker does.
#[farcall::service]
pub trait Worker {
    /// The sum of the numbers from `first` to before `end`. Adding twice does no harm.
    #[idempotent]
    fn sum(&self, first: u64, end: u64) -> u64;
}

struct Adder;

impl Worker for Adder {
    fn sum(&self, first: u64, end: u64) -> u64 {
        // Number by number: the compiler knows the formula.
        (first..end).fold(0, |sum, number| sum + black_box(number))
    }
}

/// Adds all numbers up, a piece to each call. The pool sends each call to a worker that has little to do.
fn total(workers: &WorkerClient) -> Result<u64, Error> {
    let piece = LAST / PIECES;
    let calls = (0..PIECES).map(|at| workers.sum(at * piece + 1, (at + 1) * piece + 1));
    let sum = farcall::submit_all(calls).into_iter().map(|call| call.wait()).sum::<Result<u64, Error>>()?;
    if sum == LAST * (LAST + 1) / 2 { Ok(sum) } else { Err(Error::config(format!("the sum is not {sum}"))) }
}

/// How many times as fast the second are as the first, by the best of some rounds in turns.
fn compare(workers: [&WorkerClient; 2]) -> Result<f64, Error> {
    let mut best = [Duration::MAX; 2];
    for at in (0..40).map(|round| round % 2) {
        let begun = Instant::now();
        total(workers[at])?;
        best[at] = best[at].min(begun.elapsed());
    }
    Ok(best[0].as_secs_f64() / best[1].as_secs_f64())
}

/// Serves until standard input ends; says where on standard output, unless that is where it serves.
fn serve(url: &str) -> Result<(), Error> {
    let server = farcall::serve(url, WorkerServer::new(Adder)).wait()?;
    if url == "stdio:" {
        return server.join().wait();
    }
    println!("{}", server.url());
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(|error| failed("standard input", error))?;
    Ok(())
}

/// Another process that serves at `url`: that process, and where it is reached.
fn start(program: &str, url: &str) -> Result<(Child, String), Error> {
    let child = Command::new(program).arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed(program, error))?;
    let mut reached = String::new();
    let read = child.stdout.take().map(|said| BufReader::new(said).read_line(&mut reached));
    read.transpose().map_err(|error| failed(program, error))?;
    Ok((child, reached.trim().to_owned()))
}

fn failed(what: &str, error: std::io::Error) -> Error {
    Error::config(format!("{what}: {error}")).with_source(error)
}

fn main() -> Result<(), Error> {
    if let Some(url) = std::env::args().nth(1) {
        return serve(&url);
    }
    let program =
        std::env::current_exe().map_err(|error| failed("this program", error))?.display().to_string();
    let children = |n: u32| farcall::connect(format!("exec:{program}?arg=stdio:&n={n}")).wait();
    let (one, two): (WorkerClient, WorkerClient) = (children(1)?, children(2)?);
    println!("two children: {}", total(&two)?);
    println!("two are {:.2} × as fast as one", compare([&one, &two])?);
    let place = tempfile::tempdir().map_err(|error| failed("a directory", error))?;
    let at_place = |url: &str| url.replace("HERE", &place.path().display().to_string());
    let urls = ["unix:HERE/u", "shm:HERE/s", "mmap:HERE/m?trust=trusted", "mq:HERE/q", "fifo:HERE/f"];
    let started = urls.map(at_place).iter().map(|url| start(&program, url)).collect::<Result<Vec<_>, _>>()?;
    let over_all: WorkerClient = farcall::pool(started.iter().map(|(_, url)| url.as_str())).wait()?;
    println!("one worker over each of {} wires: {}", urls.len(), total(&over_all)?);
    for (mut child, _) in started {
        drop(child.stdin.take());
        let ended = child.wait().map_err(|error| failed("a worker", error))?;
        ended.success().then_some(()).ok_or_else(|| Error::config(format!("a worker ended with {ended}")))?;
    }
    Ok(())
}
