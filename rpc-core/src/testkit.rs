//! What tests of protocols and wires share: seeded chance, a scripted byte link, and the simulated pair.
//!
//! Behind the feature `testkit`; no part of the stable interface.

mod chance;
mod scripted;
pub mod sim;
mod watchdog;

pub use chance::Chance;
pub use scripted::{Cut, Limits, ScriptedStream, Wires};
pub use watchdog::Watchdog;
