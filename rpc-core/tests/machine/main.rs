//! The rules of the state machine, one by one, against a peer that is written by hand.

mod bounds;
mod calls;
mod endings;
mod lone;
mod time;
mod violations;
