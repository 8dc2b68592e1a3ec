//! The watchdog: ends the process, with a name, when something takes too long.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// While it lives, time runs; dropped in time, it does nothing.
#[derive(Debug)]
pub struct Watchdog {
    lead: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Ends the process unless it is dropped within `limit`. Its thread is gone when the drop returns.
    ///
    /// # Panics
    /// No thread can be started.
    pub fn over(name: &str, limit: Duration) -> Self {
        let (lead, end) = channel::<()>();
        let name = name.to_owned();
        let watch = move || {
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name} has not ended within {limit:?}");
                std::process::abort();
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(watch);
        Watchdog { lead: Some(lead), thread: Some(thread.expect("a test can start a thread")) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.lead.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
