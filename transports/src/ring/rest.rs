//! Rest: who sleeps, so that the peer rings only for a sleeper.
//!
//! Each side numbers its sleeps: odd while it sleeps, even while it is awake. The peer notes which sleep it has seen, so that it
//! rings once for each, and no word has two writers.

use super::Side;
use super::layout;
use super::memory::Memory;
use super::sites::{Fence, Load, Store};

/// One side's view of who sleeps.
pub(crate) struct Rest<M> {
    memory: M,
    sleep_at: usize,
    seen_at: usize,
    peer_sleep_at: usize,
    peer_seen_at: usize,
    /// Our sleep: odd while we say that we sleep.
    sleep: u32,
    /// The peer's sleep for which we have rung: odd, or 0.
    rung: u32,
}

impl<M: Memory> Rest<M> {
    pub(super) fn new(memory: M, side: Side) -> Self {
        Rest {
            memory,
            sleep_at: layout::sleep_of(side),
            seen_at: layout::seen_by(side),
            peer_sleep_at: layout::sleep_of(side.other()),
            peer_seen_at: layout::seen_by(side.other()),
            sleep: 0,
            rung: 0,
        }
    }

    /// "About to sleep." What is published or freed after the caller has looked again at both rings will ring, once. Who
    /// announces again will be rung for again.
    pub(crate) fn announce(&mut self) {
        self.sleep = (self.sleep | 1).wrapping_add(if self.is_announced() { 2 } else { 0 });
        // A number that the peer has seen, two thousand million sleeps ago, would not be rung for.
        if self.memory.load(self.peer_seen_at, Load::Seen) == self.sleep {
            self.sleep = self.sleep.wrapping_add(2);
        }
        self.memory.store(self.sleep_at, self.sleep, Store::Sleeping);
        self.memory.fence(Fence::Announced);
    }

    /// Whether an announcement stands.
    #[inline]
    pub(crate) fn is_announced(&self) -> bool {
        self.sleep & 1 == 1
    }

    /// Whether the peer has seen the announcement that stands.
    #[inline]
    pub(crate) fn is_seen(&self) -> bool {
        self.is_announced() && self.memory.load(self.peer_seen_at, Load::Seen) == self.sleep
    }

    /// Takes the announcement back. `true`: the peer has seen it, so that its bell has rung or is about to.
    pub(crate) fn awake(&mut self) -> bool {
        if !self.is_announced() {
            return false;
        }
        let is_seen = self.memory.load(self.peer_seen_at, Load::Seen) == self.sleep;
        self.sleep = self.sleep.wrapping_add(1);
        self.memory.store(self.sleep_at, self.sleep, Store::Sleeping);
        is_seen
    }

    /// To be asked after publishing or freeing: whether the peer sleeps and has not been rung for. `true`: the caller rings,
    /// unless `is_idle` says that there is nothing to wake it for.
    #[inline]
    pub(crate) fn must_ring(&mut self, is_idle: impl FnOnce() -> bool) -> bool {
        self.memory.fence(Fence::Told);
        let sleep = self.memory.load(self.peer_sleep_at, Load::Sleeping);
        if sleep & 1 == 0 || sleep == self.rung || is_idle() {
            return false;
        }
        self.rung = sleep;
        self.memory.store(self.seen_at, sleep, Store::Seen);
        true
    }
}
