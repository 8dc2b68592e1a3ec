//! The protocol, sessions and calls of Farcall, without system calls.

#![forbid(unsafe_code)]

pub(crate) mod buffers;
pub mod codec;
mod error;
pub mod limits;
mod time;
pub mod transport;

pub use error::{CallError, Code, Error, Fate, Gone};
pub use time::Time;
