//! **One trait, every wire**: calls between Rust processes.
//!
//! A trait is the interface; `#[farcall::service]` writes the client stub and the server skeleton; a URL chooses the wire
//! that carries the calls.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub use farcall_core::__private;
pub use farcall_core::client::Closing;
pub use farcall_core::codec::Codec;
pub use farcall_core::transport::Peer;
pub use farcall_core::{
    Call, CallError, Client, Code, Connection, Context, Error, Fate, Gone, Service, context, limits,
    submit_all,
};
#[cfg(feature = "macros")]
pub use farcall_macros::service;
pub use farcall_transports::{Connect, Join, Server, ServerHandle, Shutdown, Starting, connect, serve};
#[cfg(feature = "pipe")]
pub use farcall_transports::{PipeEnd, pipe_pair};

/// For those who write a wire of their own.
pub mod transport {
    pub use farcall_core::transport::*;
    pub use farcall_transports::{Query, Scheme, Url, register};
}

#[cfg(feature = "testkit")]
pub mod testkit;
