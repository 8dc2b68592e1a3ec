//! Frames that arrive: whole, or with their end still in the link.

use crate::proto::{Event, Violation};
use crate::session::locked::Locked;
use crate::session::{Chores, Inner, Session};
use crate::time::Time;

/// The session, held for frames that are there already, one after the other.
pub struct Hold<'a>(Locked<'a>);

impl Hold<'_> {
    /// As [`Session::receive`].
    ///
    /// # Errors
    /// The peer broke a rule.
    #[inline(always)]
    pub fn receive(&mut self, frame: &[u8], now: Time, chores: &mut Chores) -> Result<bool, Violation> {
        let inner = &mut *self.0;
        inner.put_back(chores);
        let event = inner.machine.handle_frame(frame, now)?;
        Ok(inner.take_in(event, now, chores))
    }
}

impl Session {
    /// Holds the session: nobody else gets on, and no system call may be made.
    #[inline(always)]
    pub fn hold(&self) -> Hold<'_> {
        Hold(self.lock())
    }

    /// Handles a frame. `true`: a [`step`](Self::step) is wanted, because there is something to send or time has passed.
    ///
    /// # Errors
    /// The peer broke a rule.
    pub fn receive(&self, frame: &[u8], now: Time, chores: &mut Chores) -> Result<bool, Violation> {
        self.hold().receive(frame, now, chores)
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
        inner.put_back(chores);
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
