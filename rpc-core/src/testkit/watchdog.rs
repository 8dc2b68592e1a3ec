//! An end for tests that would otherwise hang.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Aborts the process with the test's name unless it is dropped in time.
#[derive(Debug)]
pub struct Watchdog(Option<(Sender<()>, thread::JoinHandle<()>)>);

impl Watchdog {
    /// Watches over the calling test, whose thread bears its name.
    ///
    /// # Panics
    /// If no thread can be had.
    pub fn new(limit: Duration) -> Self {
        Watchdog::over(thread::current().name().unwrap_or("a test"), limit)
    }

    /// Watches over what has this name.
    ///
    /// # Panics
    /// If no thread can be had.
    pub fn over(name: &str, limit: Duration) -> Self {
        let name = name.to_owned();
        let (alive, watched) = channel();
        let watch = move || {
            if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Not through a macro, whose output the harness keeps to itself and the abort loses.
                let _ = writeln!(std::io::stderr(), "{name} has not ended after {limit:?}");
                std::process::abort();
            }
        };
        let thread =
            thread::Builder::new().name("watchdog".into()).spawn(watch).expect("a thread for the watchdog");
        Watchdog(Some((alive, thread)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some((alive, thread)) = self.0.take() {
            drop(alive);
            let _ = thread.join();
        }
    }
}
