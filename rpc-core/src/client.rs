//! The calling face of a session: connections, clients, calls.

mod call;
mod close;
mod connection;
mod reply;
mod row;

pub use call::{Call, call};
pub use close::Closing;
pub use connection::{Attach, Client, ClientCore, Connection, Policy};
pub use reply::Reply;
pub use row::submit_all;
