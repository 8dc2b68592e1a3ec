//! Whether a peer of which nothing is expected would answer: pings on demand.

use crate::proto::{Machine, Violation};
use crate::time::Time;
use crate::wire::{Head, Kind};

/// What is known of a peer's pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// It owes no answer: it has not said hello, or reads only while somebody waits.
    Unknown,
    /// It has answered every ping, but for one that leaves now.
    Beats,
    /// It has not answered the ping of this time.
    Silent(Time),
}

impl Machine {
    /// Asks the peer for a sign of life, unless it still owes one; and how that stands.
    pub fn take_pulse(&mut self, now: Time) -> Pulse {
        if self.closing || !self.peer.as_ref().is_some_and(|peer| peer.attended_always) {
            return Pulse::Unknown;
        }
        match self.liveness.asks(now) {
            Some(since) => Pulse::Silent(since),
            None => {
                self.outbox.push_control(Head::new(Kind::Ping, now.as_nanos()), Vec::new());
                Pulse::Beats
            }
        }
    }

    pub(super) fn handle_pong(&mut self, token: u64) -> Result<(), Violation> {
        if self.liveness.is_answered(token) { Ok(()) } else { self.liveness.idle() }
    }
}
