//! The sites: what each access to the shared words is, how it is ordered, and which store each load sees.
//!
//! Data goes from `Store::Check` and `Store::Stamp` to the loads of the same names: whichever of the two words the consumer
//! finds new, the other may have been right by chance. Room goes back from `Store::Head` to `Load::Head`. Whoever goes to
//! sleep and whoever might wake it meet in the two fences: each writes, passes its fence, and reads what the other wrote, so
//! that not both can miss.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release, SeqCst};

/// The loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// The consumer: is the next record there?
    Stamp,
    /// The consumer: is it really?
    Check,
    /// The consumer: bytes of the frame.
    Length,
    /// The consumer: the word that must be zero.
    Reserved,
    /// The producer: lines that were freed.
    Head,
    /// The producer: frames that were taken.
    Taken,
    /// Who published or freed: does the peer sleep?
    Sleeping,
    /// Who slept: has the peer seen it?
    Seen,
}

/// The stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// The producer: publishes, first half.
    Check,
    /// The producer: publishes, second half. The record is complete.
    Stamp,
    /// The producer: bytes of the frame.
    Length,
    /// The producer: zero.
    Reserved,
    /// The consumer: the record's lines are free.
    Head,
    /// The consumer: one frame more was taken.
    Taken,
    /// Who goes to sleep or wakes up.
    Sleeping,
    /// Who rings: for which sleep.
    Seen,
}

/// The fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// Between saying that one sleeps and looking again.
    Announced,
    /// Between publishing or freeing and looking whether the peer sleeps.
    Told,
}

/// Each load, its ordering, and the store that it sees.
pub(crate) const LOADS: [(Load, Ordering, Store); 8] = [
    (Load::Stamp, Acquire, Store::Stamp),
    (Load::Check, Acquire, Store::Check),
    // These two come with stamp or check.
    (Load::Length, Relaxed, Store::Length),
    (Load::Reserved, Relaxed, Store::Reserved),
    (Load::Head, Acquire, Store::Head),
    // Proves something only after the peer has ended, which is learnt from the kernel.
    (Load::Taken, Relaxed, Store::Taken),
    // By the fences.
    (Load::Sleeping, Relaxed, Store::Sleeping),
    // A hint: the bell itself decides who wakes.
    (Load::Seen, Relaxed, Store::Seen),
];

/// Each store and its ordering.
pub(crate) const STORES: [(Store, Ordering); 8] = [
    (Store::Check, Release),
    (Store::Stamp, Release),
    (Store::Length, Relaxed),
    (Store::Reserved, Relaxed),
    (Store::Head, Release),
    (Store::Taken, Relaxed),
    (Store::Sleeping, Relaxed),
    (Store::Seen, Relaxed),
];

/// Each fence and its ordering.
pub(crate) const FENCES: [(Fence, Ordering); 2] = [(Fence::Announced, SeqCst), (Fence::Told, SeqCst)];

impl Load {
    pub(crate) const fn ordering(self) -> Ordering {
        LOADS[self as usize].1
    }
}

impl Store {
    pub(crate) const fn ordering(self) -> Ordering {
        STORES[self as usize].1
    }
}

impl Fence {
    pub(crate) const fn ordering(self) -> Ordering {
        FENCES[self as usize].1
    }
}
