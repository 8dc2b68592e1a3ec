//! What users hold: `connect`, `serve` and `Server`, over the wires and what waits on them.

mod address;
mod check;
mod connect;
mod dial;
mod handle;
mod hosting;
mod opened;
mod options;
mod pool;
mod server;
mod threads;
#[cfg(feature = "tokio")]
mod tokio;

pub use connect::{Connect, connect, pool};
pub use handle::{Join, ServerHandle, Shutdown};
pub use server::{Server, Starting, serve};
