//! The rendezvous: a Unix socket at which two processes meet, agree on what else will carry their calls, and pass it on.
//!
//! The connecting side asks first ([`visit`]), the listening side answers once ([`Reception`]); `WIRE.md` has the bytes. The
//! socket then stays open as the sign of life. It and its `.lock` are the only names that a connection ever has.

mod answer;
mod callers;
mod names;
mod reception;
mod visit;

pub(crate) use answer::{has_ended, say, watch_life};
pub(crate) use callers::{Caller, Callers};
pub(crate) use names::Doors;
pub(crate) use reception::{Answers, Reception, Site};
pub(crate) use visit::{Granted, visit};
