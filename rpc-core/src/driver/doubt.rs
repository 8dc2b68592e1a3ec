//! Whether to pause is worth it where it cannot be known: this process has one processor, and its peer tells no process
//! that could be asked for its own. The waits tell.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// So many waits that paused, in a row, and ended as soon as others had had the processor: the peer had waited for this one.
const ENOUGH: u32 = 3;

/// One wait in so many pauses nevertheless, since the peer may have moved.
const SAMPLE: u32 = 64;

/// What the waits of a connection have shown.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// There is something to find out.
    open: AtomicBool,
    /// Pauses in vain, one after the other.
    in_vain: AtomicU32,
    /// Waits since it was decided.
    waits: AtomicU32,
}

impl Doubt {
    /// Nothing is known of the peer.
    pub(super) fn begin(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether the peer has shown that it has no other processor.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_open() && self.in_vain.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Whether this wait may pause.
    pub(super) fn lets_pause(&self) -> bool {
        if !self.is_confirmed() {
            return true;
        }
        let waits = self.waits.load(Ordering::Relaxed).wrapping_add(1);
        self.waits.store(waits, Ordering::Relaxed);
        waits.is_multiple_of(SAMPLE)
    }

    /// A wait that has paused is at its end: in vain, if something came after the pause as soon as others had had the processor.
    /// Any other end speaks for a peer that works meanwhile.
    pub(super) fn learn(&self, in_vain: bool) {
        let so_far = self.in_vain.load(Ordering::Relaxed);
        self.in_vain.store(if in_vain { so_far.saturating_add(1) } else { 0 }, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_doubted() {
        let doubt = Doubt::default();
        (0..10).for_each(|_| doubt.learn(true));
        assert!(!doubt.is_confirmed() && doubt.lets_pause());
    }

    #[test]
    fn pauses_in_vain_end_and_are_tried_again_now_and_then() {
        let doubt = Doubt::default();
        doubt.begin();
        (1..ENOUGH).for_each(|_| doubt.learn(true));
        assert!(doubt.lets_pause(), "it may have been chance");
        doubt.learn(true);
        assert!(doubt.is_confirmed());
        let tried = (0..10 * SAMPLE).filter(|_| doubt.lets_pause()).count();
        assert_eq!(tried, 10);
        doubt.learn(false);
        assert!(!doubt.is_confirmed() && doubt.lets_pause(), "the peer has a processor of its own");
    }
}
