//! The main job: the same questions over real files, asked over every wire, blocking and async, each answer compared
//! with a local call.
//!
//! `cargo run --release --example tour [-- DIRECTORY PATTERN]`

mod questions;
mod search;
mod wires;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use questions::{Findings, Questions};
use search::SearchClient;
use wires::{Running, Wire};

/// What is looked for unless the command line says otherwise.
const PATTERN: &str = "deadline";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["serve", url, style] => wires::serve(url, style).map(|()| true),
        [] => tour(&sources(), PATTERN),
        [directory] => tour(Path::new(directory), PATTERN),
        [directory, pattern] => tour(Path::new(directory), pattern),
        _ => Err("usage: tour [DIRECTORY [PATTERN]]".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tour: {error}");
            ExitCode::from(2)
        }
    }
}

/// The sources of this repository where cargo runs this, else where we are.
fn sources() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Visits every wire. `true` if all answers agree.
fn tour(directory: &Path, pattern: &str) -> Result<bool, Box<dyn Error>> {
    // Servers may have another working directory.
    let directory = std::path::absolute(directory)?;
    let questions = Questions::about(&directory, pattern)?;
    println!(
        "{} questions about {} and `{pattern}`, each asked blocking and async, compared with a local call",
        questions.len(),
        directory.display()
    );
    println!("{:<24} {:>6} {:>10} {:>10} {:>8}", "wire", "calls", "p50", "p99", "MB/s");
    let scratch = tempfile::tempdir()?;
    let mut agree = true;
    for wire in Wire::ALL {
        match visit(wire, &questions, scratch.path()) {
            Ok(mut findings) => agree &= tell(wire, &mut findings),
            Err(error) => {
                println!("{:<24} FAILED: {error}", wire.name());
                agree = false;
            }
        }
    }
    println!("{}", if agree { "every answer agrees" } else { "NOT every answer agrees" });
    Ok(agree)
}

/// Asks all questions over one wire, blocking and async, each of a server of the same kind.
fn visit(wire: Wire, questions: &Questions, scratch: &Path) -> Result<Findings, Box<dyn Error>> {
    let mut findings = Findings::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Running::blocking(wire, scratch)?;
    let client: SearchClient = farcall::connect(&server.url).wait()?;
    questions.ask_blocking(&client, &mut findings)?;
    drop((client, server));
    runtime.block_on(async {
        let server = Running::asynchronous(wire, scratch).await?;
        let client: SearchClient = farcall::connect(&server.url).await?;
        questions.ask_async(&client, &mut findings).await?;
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(findings)
}

/// One line for one wire. `true` if all its answers agree.
fn tell(wire: Wire, findings: &mut Findings) -> bool {
    let (p50, p99) = (findings.percentile(0.50), findings.percentile(0.99));
    println!(
        "{:<24} {:>6} {:>7.1} µs {:>7.1} µs {:>8.1}",
        wire.name(),
        findings.latencies.len(),
        p50.as_secs_f64() * 1e6,
        p99.as_secs_f64() * 1e6,
        findings.megabytes_per_s(),
    );
    if let Some(disagreement) = &findings.disagreement {
        println!("    DISAGREES: {disagreement}");
    }
    findings.disagreement.is_none()
}
