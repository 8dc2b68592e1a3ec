//! A service whose workers can be told to die, and this program as its worker.

use std::time::Duration;

use farcall::testkit::Watchdog;
use rustix::process::{Pid, Signal, kill_process};

#[farcall::service]
pub(crate) trait Crew {
    /// Which worker this is.
    fn pid(&self) -> u32;
    /// Ends the worker in the middle of the call.
    fn leave(&self, status: i32);
    /// The same, the first time that this path is given; then gives the worker's number.
    #[idempotent]
    fn leave_once(&self, path: String) -> u32;
    /// The sum of these numbers.
    fn sum(&self, from: u64, to: u64) -> u64;
}

pub(crate) struct Worker;

impl Crew for Worker {
    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn leave(&self, status: i32) {
        std::process::exit(status);
    }

    fn leave_once(&self, path: String) -> u32 {
        if std::fs::File::create_new(path).is_ok() {
            std::process::exit(7);
        }
        std::process::id()
    }

    fn sum(&self, from: u64, to: u64) -> u64 {
        (from..to).sum()
    }
}

/// By this variable a worker is told that it is one.
const WORKER: &str = "FARCALL_POOL_WORKER";

/// What every worker runs.
#[test]
fn worker() {
    if std::env::var_os(WORKER).is_some() {
        let kept = std::fs::OpenOptions::new().write(true).open("/proc/self/fd/3").unwrap();
        rustix::stdio::dup2_stdout(kept).unwrap();
        let server = farcall::serve("stdio:", CrewServer::new(Worker)).wait().unwrap();
        server.join().wait().unwrap();
        std::process::exit(0);
    }
}

/// By this variable a process is told to which URL it connects.
pub(crate) const STARTER: &str = "FARCALL_POOL_STARTER";

/// What a process runs that starts a child and is to be killed.
#[test]
fn starter() {
    if let Ok(url) = std::env::var(STARTER) {
        let _client = farcall::connect::<CrewClient>(url).wait();
    }
}

/// The URL of a worker: this program again. A test program prints before a test begins, so the shell keeps the standard
/// output aside. `before` is run first, by the shell.
pub(crate) fn workers(before: &str, options: &str) -> String {
    shell(&format!("{before} exec {}", run()), options)
}

/// What a shell runs to become a worker.
pub(crate) fn run() -> String {
    format!("env {WORKER}=1 \"$0\" --exact crew::worker --nocapture 3>&1 1>/dev/null")
}

/// The URL of a shell that runs `script`, with this program as its `$0`.
pub(crate) fn shell(script: &str, options: &str) -> String {
    let program = std::env::current_exe().unwrap().display().to_string();
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    format!("exec:/bin/sh?arg=-c&arg={}&arg={}&{options}", encoded(script), encoded(&program))
}

pub(crate) fn connect(options: &str) -> CrewClient {
    farcall::connect(workers("", options)).wait().expect("workers can be started")
}

/// The workers that take as many calls as there should be workers, all at once.
pub(crate) fn pids(client: &CrewClient, count: usize) -> Vec<u32> {
    let calls: Vec<_> = (0..count).map(|_| client.pid().submit()).collect();
    let mut pids: Vec<_> = calls.into_iter().filter_map(|call| call.wait().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// The workers, once there are so many.
pub(crate) fn full(client: &CrewClient, count: usize) -> Vec<u32> {
    loop {
        let pids = pids(client, count);
        if pids.len() == count {
            return pids;
        }
    }
}

/// A process that stands still until this is dropped.
pub(crate) struct Stopped(Pid);

/// Has it stand still.
pub(crate) fn stop(pid: u32) -> Stopped {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    Stopped(pid)
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

pub(crate) fn watch(name: &str) -> Watchdog {
    Watchdog::over(name, Duration::from_secs(60))
}
