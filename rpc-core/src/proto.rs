//! The state machine of one connection: no io, thread, lock, waker or clock.
//!
//! [`Machine`] is symmetric: either side may call the other. Four kinds of methods, in the order of a turn:
//!
//! 1. **input**, `handle_*`: a frame has arrived, time has passed, the link is gone;
//! 2. **wishes**, plain verbs: call, cancel, open, reply, drain, close;
//! 3. **output**, [`Machine::poll_transmit`]: frames to be sent, until it gives none;
//! 4. **time**, [`Machine::poll_timeout`]: when `handle_timeout` wants to be called at the latest.
//!
//! Its rules, each with a test:
//! - calls are numbered, sent and handed to the other side in the order in which they were started;
//! - a call takes credit when its first byte is handed out and gives it back with its verdict, never before;
//! - each call has exactly one verdict; what comes after a verdict is a violation;
//! - a large message is cut into fragments; small verdicts overtake large ones, calls never overtake calls.

#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::cast_possible_truncation
    )
)]

mod assembly;
mod calling;
mod calls_in;
mod calls_out;
mod event;
mod liveness;
mod machine;
mod openings;
mod outbox;
mod pulse;
mod receive;
mod serving;
mod settle;
#[cfg(test)]
mod tests;

pub use calls_in::{InKey, Stage};
pub use calls_out::{Handed, Left, NewCall, OutKey};
pub use event::{Event, Payload, Verdict, Violation};
pub use machine::{Config, Machine, WhenFull};
pub use outbox::{Body, Outgoing};
pub use pulse::Pulse;

pub use crate::wire::Role;
