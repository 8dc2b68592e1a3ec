//! Peers that can be killed, misbehave or fall silent, and the service by which they are watched.

#![allow(dead_code, reason = "each test binary uses its part of it")]

pub mod process;
pub mod raw;
pub mod service;
pub mod watchdog;
