//! What tests of protocols and wires share: seeded chance, a scripted byte link, and the simulated pair.
//!
//! Behind the feature `testkit`; no part of the stable interface.

mod chance;
mod clockwork;
mod config;
mod scripted;
pub mod sim;
mod watchdog;

pub use chance::Chance;
pub use clockwork::Clockwork;
pub use config::config;
pub use scripted::{Cut, Limits, ScriptedStream, Wires};
pub use watchdog::Watchdog;
