//! Bytes <-> frames: pure functions. `WIRE.md` is the specification.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::cast_possible_truncation
    )
)]

mod cursor;
mod head;
mod hello;
pub mod mailbox;
mod open;
pub mod rendezvous;
mod verdict;

pub use cursor::{Malformed, escaped};
pub use head::{Flags, Head, HeadBytes, Kind, Options, Parsed, parse};
pub use hello::{Hello, Role, VERSION};
pub use open::{Answer, MethodRow, Open, Opened};
pub use verdict::{ShapeThere, decode_cancelled, decode_error, encode_cancelled, encode_error};
