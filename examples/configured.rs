//! One program over three wires: it only says `calculator`, and `farcall.toml` says where that is.
//!
//! `cargo run --example configured` writes the file three times; each time it starts this program as a server and as a
//! client, which both find the file in `FARCALL_CONFIG`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use farcall::Error;

/// What both sides know, besides the name.
#[farcall::service]
pub trait Calculator {
    /// Adds two numbers.
    fn add(&self, a: i64, b: i64) -> i64;
}

struct Calc;

impl Calculator for Calc {
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

/// Serves until standard input ends, and says where.
fn serve() -> Result<(), Error> {
    let server = farcall::serve("calculator", CalculatorServer::new(Calc)).wait()?;
    println!("{}", server.url());
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(|error| failed("standard input", error))?;
    Ok(())
}

fn call() -> Result<(), Error> {
    use farcall::Client;
    let calc: CalculatorClient = farcall::connect("calculator").wait()?;
    println!("2 + 3 = {} over {}", calc.add(2, 3).wait()?, calc.transport());
    Ok(())
}

/// What the operator does: everything else is the programmer's.
fn operate(directory: &Path) -> Result<(), Error> {
    let file = directory.join("farcall.toml");
    let program = std::env::current_exe().map_err(|error| failed("this program", error))?;
    let run = |role: &str| {
        let mut command = Command::new(&program);
        command.arg(role).env("FARCALL_CONFIG", &file).env_remove("FARCALL_CALCULATOR").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).spawn().map_err(|error| failed(role, error))
    };
    let write = |url: &str| {
        let text = format!(
            "[defaults]\ndeadline = \"10s\"\n\n[service.calculator]\nurl = \"{url}\"\nmax_message = \"1MiB\"\n"
        );
        fs::write(&file, text).map_err(|error| failed("farcall.toml", error))
    };
    let here = directory.display();
    for url in [format!("unix:{here}/socket"), format!("shm:{here}/memory"), "tcp://127.0.0.1:0".to_owned()] {
        write(&url)?;
        let mut server = run("serve")?;
        let mut reached = String::new();
        if let Some(said) = server.stdout.take() {
            BufReader::new(said).read_line(&mut reached).map_err(|error| failed("the server", error))?;
        }
        // Port 0 has become a real one.
        write(reached.trim())?;
        let client = run("call")?.wait_with_output().map_err(|error| failed("the client", error))?;
        let said = String::from_utf8_lossy(&client.stdout);
        print!("{said}");
        drop(server.stdin.take());
        let ended = server.wait().map_err(|error| failed("the server", error))?;
        let expected = format!("2 + 3 = 5 over {}\n", url.split(':').next().unwrap_or_default());
        if said != expected || !ended.success() || !client.status.success() {
            return Err(Error::config(format!("{url}: server {ended}, client {}", client.status)));
        }
    }
    Ok(())
}

fn failed(what: &str, error: std::io::Error) -> Error {
    Error::config(format!("{what}: {error}")).with_source(error)
}

fn main() -> Result<(), Error> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(),
        Some("call") => call(),
        _ => {
            // A directory of this user's own.
            let directory = std::env::temp_dir().join(format!("farcall-configured-{}", std::process::id()));
            fs::create_dir(&directory).map_err(|error| failed("a directory", error))?;
            let ended = operate(&directory);
            let _ = fs::remove_dir_all(&directory);
            ended
        }
    }
}
