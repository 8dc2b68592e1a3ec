//! Peers that can be killed, misbehave or fall silent, and the service by which they are watched.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::time::Duration;

use farcall::testkit::Watchdog;

pub mod process;
pub mod raw;
pub mod remains;
pub mod service;
pub mod witness;

/// Aborts the process in so many seconds, unless the dog is dropped before.
pub fn watch(seconds: u64) -> Watchdog {
    Watchdog::new(Duration::from_secs(seconds))
}
