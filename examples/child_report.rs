//! A child process reports to its parent through a pipe, once per tick: here the parent serves, and the child calls.
//!
//! The parent makes a pair of pipes, keeps one end and hands the other down. When the child ends, its end closes, and so
//! the parent's server ends too: nobody has to say goodbye. `cargo run --example child_report`

use std::error::Error;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two reports.
const TICK: Duration = Duration::from_millis(100);

const TICKS: u32 = 5;

/// In this variable of its environment the child finds the URL of its parent.
const PARENT: &str = "CHILD_REPORT_PARENT";

/// What the child says.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// From 1 on.
    pub tick: u32,
    /// The number of the process that reports.
    pub process: u32,
    /// Since it began.
    pub running: Duration,
}

/// What the parent listens to.
#[farcall::service]
pub trait Parent {
    /// Takes a report.
    fn report(&self, report: Report);
}

/// All reports, with the time of their arrival.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<(Report, Instant)>>>);

impl Parent for Diary {
    fn report(&self, report: Report) {
        println!("tick {}: the child is running", report.tick);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((report, Instant::now()));
    }
}

fn child(url: &str) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let parent: ParentClient = farcall::connect(url).wait()?;
    for tick in 1..=TICKS {
        // Until the tick, however long the last report took. Work would be done here.
        thread::sleep((TICK * tick).saturating_sub(began.elapsed()));
        let report = Report { tick, process: std::process::id(), running: began.elapsed() };
        parent.report(report).wait()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(url) = std::env::var(PARENT) {
        return child(&url);
    }
    let began = Instant::now();
    let diary = Diary::default();
    let (ours, theirs) = farcall::pipe_pair()?;
    let server = farcall::serve(ours.into_url(), ParentServer::new(diary.clone())).wait()?;

    let mut command = Command::new(std::env::current_exe()?);
    let url = theirs.inherit(&mut command);
    let mut child = command.env(PARENT, url).spawn()?;
    // It holds the child's end of the pipes: only now is the child the only one that does.
    drop(command);

    server.join().wait()?;
    let status = child.wait()?;
    let reports = diary.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{} reports, then the child ended: {status}", reports.len());

    let in_order = reports.iter().map(|(report, _)| report.tick).eq(1..=TICKS);
    let by_the_child = reports.iter().all(|(report, _)| report.process == child.id());
    let is_due = |(report, at): &(Report, Instant)| {
        report.running >= TICK * report.tick && at.duration_since(began) >= report.running
    };
    let on_time = reports.iter().all(is_due);
    if status.success() && in_order && by_the_child && on_time {
        return Ok(());
    }
    Err(format!("not one report of the child at each tick: {reports:?}").into())
}
