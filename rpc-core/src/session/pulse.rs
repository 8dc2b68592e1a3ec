//! Whether a peer of which nothing is expected would answer.

use crate::proto::Pulse;
use crate::session::Session;
use crate::time::Time;

impl Session {
    /// Asks the peer for a sign of life, unless it still owes one; and how that stands. A flush is wanted afterwards.
    pub fn take_pulse(&self, now: Time) -> Pulse {
        self.lock().machine.take_pulse(now)
    }
}
