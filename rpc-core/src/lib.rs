//! The protocol, sessions and calls of Farcall, without system calls.
//!
//! Rooms, from the ground up: [`wire`] (bytes and frames), [`proto`] (the state machine of one connection),
//! [`session`] (the machine and its waiters behind one lock), [`driver`] (who does a turn, who sleeps), `client` and
//! `server` (the two faces of a session), [`codec`] (values and bytes), `shape` (what types look like), and [`transport`], the boundary of a wire.
//!
//! Users take all this from the crate `farcall`.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod __private;
pub(crate) mod buffers;
pub mod client;
pub mod codec;
mod context;
pub mod driver;
mod error;
mod fits;
pub mod limits;
mod message;
pub mod proto;
pub mod server;
mod service;
pub mod session;
mod shape;
#[cfg(feature = "testkit")]
pub mod testkit;
mod time;
pub mod transport;
pub mod wire;

pub use client::{Call, Client, Connection, submit_all};
pub use context::{Context, context};
pub use error::{CallError, Code, Error, Fate, Gone};
#[doc(hidden)]
pub use fits::{fits, offer};
pub use message::{Apart, Message};
pub use server::Service;
pub use time::Time;
pub use wire::rendezvous::Trust;
