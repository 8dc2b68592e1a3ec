//! A bound on the time of a test that could hang: when it has passed, the process says which test it was and aborts.

use std::io::Write;
use std::panic::Location;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Barks unless it is dropped in time.
pub struct Watchdog(#[expect(dead_code, reason = "its drop is the message")] mpsc::Sender<()>);

/// Aborts the process in so many seconds, unless the dog is dropped before.
#[track_caller]
pub fn watch(seconds: u64) -> Watchdog {
    let place = Location::caller();
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let (tx, rx) = mpsc::channel();
    let bark = move || {
        if rx.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout) {
            // Not through a macro, whose output the harness would keep to itself.
            let _ = writeln!(std::io::stderr(), "{test} ({place}) has not ended within {seconds} s");
            std::process::abort();
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(bark).expect("a thread can be started");
    Watchdog(tx)
}
