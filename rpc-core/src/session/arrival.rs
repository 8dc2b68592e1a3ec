//! Frames that arrive: whole, or with their end still in the link.

use crate::proto::{Event, Violation};
use crate::session::{Chores, Inner, Session};
use crate::time::Time;

impl Session {
    /// Handles a frame. `true`: a [`step`](Self::step) is wanted, because there is something to send or time has passed.
    ///
    /// # Errors
    /// The peer broke a rule.
    #[inline(always)]
    pub fn receive(&self, frame: &[u8], now: Time, chores: &mut Chores) -> Result<bool, Violation> {
        let mut inner = self.lock();
        let event = inner.machine.handle_frame(frame, now)?;
        Ok(inner.take_in(event, now, chores))
    }

    /// See [`Machine::lend`](crate::proto::Machine::lend).
    pub fn lend(&self, first: &[u8], rest: usize) -> Option<Vec<u8>> {
        self.lock().machine.lend(first, rest)
    }

    /// As [`receive`](Self::receive), for a frame whose end was appended to the buffer that was lent for it.
    ///
    /// # Errors
    /// The peer broke a rule.
    pub fn receive_long(
        &self,
        first: &[u8],
        rest: usize,
        buf: Vec<u8>,
        now: Time,
        chores: &mut Chores,
    ) -> Result<bool, Violation> {
        let mut inner = self.lock();
        let event = inner.machine.handle_long(first, rest, buf, now)?;
        Ok(inner.take_in(event, now, chores))
    }
}

impl Inner {
    #[inline(always)]
    fn take_in(&mut self, event: Option<Event<'_>>, now: Time, chores: &mut Chores) -> bool {
        if let Some(event) = event {
            self.absorb(event, chores);
        }
        self.absorb_events(chores);
        self.claim_for(chores);
        self.machine.due() <= now || !self.machine.is_flushed() || !self.watchers.is_empty()
    }
}
