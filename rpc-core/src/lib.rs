//! The protocol, sessions and calls of Farcall, without system calls.

#![forbid(unsafe_code)]

pub(crate) mod buffers;
pub mod driver;
mod error;
pub mod limits;
pub mod proto;
pub mod session;
mod time;
pub mod transport;
pub mod wire;

pub use error::{CallError, Code, Error, Fate, Gone};
pub use time::Time;
