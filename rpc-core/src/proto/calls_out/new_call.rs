//! A call before it is in any table.

use std::time::Duration;

use crate::limits::{CLOCK_TICK, EXACT};
use crate::time::Time;

/// A call to be made.
#[derive(Debug)]
pub struct NewCall {
    /// What the caller wants to be told with the verdict.
    pub token: u32,
    /// The service's number.
    pub object: u32,
    /// The method's number.
    pub method: u16,
    /// The encoded arguments.
    pub body: Vec<u8>,
    /// When it was started; zero until that is known ([`start_at`](NewCall::start_at)).
    pub at: Time,
    /// When the caller stops waiting.
    pub deadline: Time,
    /// The peer's call during whose handling this one is made.
    pub cause: Option<u64>,
    /// Of 0 to 31: what waits in a queue is taken in this order, the highest first.
    pub priority: u8,
}

impl NewCall {
    /// It was started at this time, from which its deadline counts: what went before was left to it then.
    #[inline]
    pub fn start_at(&mut self, at: Time) {
        (self.at, self.deadline) = (at, at + self.left());
    }

    /// What is left to it at its start.
    #[inline]
    pub(super) fn left(&self) -> Duration {
        self.deadline.since(self.at)
    }

    /// When it is given up: later than the deadline by what the clock may be late, unless that would be felt.
    pub(in crate::proto) fn latest(&self) -> Time {
        if self.left() < EXACT { self.deadline } else { self.deadline + CLOCK_TICK }
    }
}
