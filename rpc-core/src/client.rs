//! The calling face of a session: connections, clients, calls.

mod agreement;
mod awaited;
mod batch;
mod call;
mod close;
mod connection;
mod course;
mod pool;
mod priority;
mod reply;

pub use batch::submit_all;
pub use call::{Call, call};
pub use close::Closing;
pub use connection::{Attach, Client, ClientCore, Connection, Policy};
pub use pool::{Member, Pool};
pub use reply::Reply;
