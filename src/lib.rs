//! **One trait, every wire**: calls between Rust processes.
//!
//! A trait is the interface; `#[farcall::service]` writes the client stub and the server skeleton; a URL chooses the wire
//! that carries the calls.
//!
//! ```
//! #[farcall::service]
//! trait Calculator {
//!     async fn add(&self, a: i64, b: i64) -> i64;
//! }
//!
//! struct Calc;
//! impl Calculator for Calc {
//!     async fn add(&self, a: i64, b: i64) -> i64 {
//!         a + b
//!     }
//! }
//!
//! # fn main() -> Result<(), farcall::Error> {
//! let server = farcall::serve("mem:doc-facade", CalculatorServer::new(Calc)).wait()?;
//! let calc: CalculatorClient = farcall::connect("mem:doc-facade").wait()?;
//! assert_eq!(calc.add(2, 3).wait()?, 5); // or `.await?`
//! # drop(server);
//! # Ok(()) }
//! ```
//!
//! Where to go on: [`service`] (what a trait may hold), [`connect`] and [`serve`], [`Call`] (the styles of calling),
//! [`Error`] and [`Fate`] (what may be believed about a call that failed), [`context`] (inside a handler), [`transport`]
//! (a wire of one's own). URLs and options are in the README.

#![forbid(unsafe_code)]

#[doc(hidden)]
pub use farcall_core::__private;
pub use farcall_core::client::Closing;
pub use farcall_core::codec::Codec;
pub use farcall_core::driver::Waiting;
pub use farcall_core::transport::Peer;
pub use farcall_core::{
    Call, CallError, Client, Code, Connection, Context, Error, Fate, Gone, Service, Trust, context, limits,
    submit_all,
};
/// ```
/// #[farcall::service(name = "shop.Stock")]
/// trait Stock {
///     /// Pieces on the shelf; borrowed arguments are fine.
///     async fn count(&self, article: &str) -> Option<u32>;
///     /// Fails in its own words.
///     async fn take(&self, article: String, pieces: u32) -> Result<u32, String>;
///     /// Looks through all shelves, on a thread where it may block.
///     #[blocking]
///     fn search(&self, pattern: String) -> Vec<String>;
/// }
///
/// struct Shop;
/// impl Stock for Shop {
///     async fn count(&self, article: &str) -> Option<u32> {
///         (article == "pen").then_some(12)
///     }
///     async fn take(&self, article: String, pieces: u32) -> Result<u32, String> {
///         let there = self.count(&article).await.unwrap_or(0);
///         there.checked_sub(pieces).ok_or_else(|| format!("only {there} of {article}"))
///     }
///     fn search(&self, pattern: String) -> Vec<String> {
///         ["pen", "paper"].into_iter().filter(|name| name.contains(&pattern)).map(str::to_owned).collect()
///     }
/// }
///
/// # fn main() -> Result<(), farcall::Error> {
/// use farcall::CallError;
/// let server = farcall::serve("mem:doc-service", StockServer::new(Shop)).wait()?;
/// let stock: StockClient = farcall::connect(server.url()).wait()?;
/// assert_eq!(stock.count("pen").wait()?, Some(12));
/// let too_many = stock.take("pen".to_owned(), 99).wait();
/// assert_eq!(too_many, Err(CallError::Service("only 12 of pen".to_owned())));
/// assert_eq!(stock.search("p".to_owned()).wait()?.len(), 2);
/// # Ok(()) }
/// ```
///
#[cfg(feature = "macros")]
pub use farcall_macros::service;
#[cfg(feature = "mailbox")]
pub use farcall_transports::remove_mailbox;
pub use farcall_transports::{Connect, Join, Server, ServerHandle, Shutdown, Starting, connect, pool, serve};
#[cfg(feature = "pipe")]
pub use farcall_transports::{PipeEnd, pipe_pair};

/// For those who write a wire of their own.
///
/// A wire implements [`Scheme`](transport::Scheme), which makes [`Link`](transport::Link)s and
/// [`Listener`](transport::Listener)s; if it carries bytes, it is a [`ByteStream`](transport::ByteStream) in
/// [`Framed`](transport::Framed). [`register`](transport::register) makes it known.
pub mod transport {
    pub use farcall_core::transport::*;
    pub use farcall_transports::{Query, Scheme, Url, links, register};
}

#[cfg(feature = "testkit")]
pub mod testkit;
