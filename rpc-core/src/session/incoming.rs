//! What the peer calls, and how that ends.

use crate::error::Error;
use crate::proto::InKey;
use crate::time::Time;

/// A call to be served.
#[derive(Debug)]
pub struct Request {
    /// Its place in the machine's table.
    pub key: InKey,
    /// The number under which the service was opened.
    pub object: u32,
    /// The method in the caller's numbering.
    pub method: u16,
    /// When the caller stops waiting.
    pub deadline: Time,
    /// The own call that caused it.
    pub cause: Option<u64>,
    /// The encoded arguments.
    pub body: Vec<u8>,
}

/// How a handler came to its end.
#[derive(Debug)]
pub enum Outcome {
    /// It returned this value, encoded.
    Value(Vec<u8>),
    /// It returned the service's own error, encoded.
    Failed(Vec<u8>),
    /// One of both, as bytes and what is written in front of them.
    Bytes {
        /// It is the service's own error.
        failed: bool,
        /// What stands in front.
        front: Vec<u8>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The call ended without a value.
    Refused(Error),
    /// It was dropped because nobody wanted it any more.
    Stopped,
}
