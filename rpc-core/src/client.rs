//! The calling face of a session: connections, clients, calls.

mod call;
mod close;
mod connection;
mod reply;

pub use call::{Call, call, submit_all};
pub use close::Closing;
pub use connection::{Attach, Client, ClientCore, Connection, Policy};
pub use reply::Reply;
