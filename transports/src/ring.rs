//! The ring: frames between two processes through memory that both may write.
//!
//! One region holds two rings, one for each direction, each with one producer and one consumer. What is here knows no
//! descriptor and no mapping: the region comes as a [`Memory`], so that a model checker, an interpreter and a fuzzer can
//! stand in its place.
//!
//! # A record
//! A frame stands in the ring as a record that begins on a line of 64 bytes: stamp, check, length and a reserved zero of 32
//! bits each, then the frame, which goes on at the start of the ring where its end is reached. There is no shared index of
//! what was written: the consumer looks at the stamp where the next record must begin, in the line in which it arrives.
//! Stamp and check come of a key of this direction and of the position, which never repeats: 64 bits that bytes left from an
//! earlier lap have by chance only, so that nothing need be cleared. Both are published and both are taken in such a way that
//! whichever of them is new brings the record along, even if the other one was there by chance.
//!
//! # What the peer is believed
//! Nothing. Geometry, keys and own positions are private; each word of the peer's is loaded once and judged before it is
//! used; a [`Broken`] rule ends the ring for good. The worst that a peer can do is to send nonsense or to be silent.

#[cfg(any(test, fuzzing))]
pub(crate) mod adversary;
mod consumer;
mod layout;
mod memory;
mod producer;
mod rest;
mod sites;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use consumer::{Consumer, Popped};
pub(crate) use layout::Layout;
#[cfg(feature = "mq")]
pub(crate) use layout::seal;
pub(crate) use memory::{Mapped, Memory};
pub(crate) use producer::{Producer, Pushed};
pub(crate) use rest::Rest;

/// The two sides of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who made the memory.
    Listener,
    /// Who was given it.
    Connector,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Listener => Side::Connector,
            Side::Connector => Side::Listener,
        }
    }
}

/// The secrets of the two directions: random, known to both sides, never in the region.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    /// Of the records that the listener writes.
    pub(crate) from_listener: u64,
    /// Of the records that the connector writes.
    pub(crate) from_connector: u64,
}

impl Keys {
    fn of_records_from(self, side: Side) -> u64 {
        match side {
            Side::Listener => self.from_listener,
            Side::Connector => self.from_connector,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// What one side holds of a region.
pub(crate) struct Ends<M> {
    /// Writes towards the peer.
    pub(crate) producer: Producer<M>,
    /// Reads what the peer writes.
    pub(crate) consumer: Consumer<M>,
    /// Who sleeps.
    pub(crate) rest: Rest<M>,
}

impl<M: Memory + Clone> Ends<M> {
    /// The ends of `side` in a region that was all zero when the listener made it and has [`Layout::size`] bytes.
    pub(crate) fn new(memory: M, layout: Layout, side: Side, keys: Keys) -> Self {
        Ends::starting(memory, layout, side, keys, 0)
    }

    /// As if this many lines had gone through each ring before.
    fn starting(memory: M, layout: Layout, side: Side, keys: Keys, lines: u64) -> Self {
        let key = |side| keys.of_records_from(side);
        Ends {
            producer: Producer::new(memory.clone(), layout, side, key(side), lines),
            consumer: Consumer::new(memory.clone(), layout, side, key(side.other()), lines),
            rest: Rest::new(memory, side),
        }
    }

    /// Whether the bell must be rung now. To be asked after frames were pushed, and whenever nothing is left to pop.
    ///
    /// Frames that were taken are told to a waiting producer in bulk: no room for the largest frame means that more than a
    /// quarter of the ring is in use, so that taking all of it reaches the mark.
    #[inline]
    pub(crate) fn must_ring(&mut self, published: bool) -> bool {
        let owes_room = self.consumer.owes_room();
        if !published && !owes_room {
            return false;
        }
        // A peer that has taken everything and has gone to sleep again since needs no bell.
        let rings = self.rest.must_ring(|| !owes_room && self.producer.is_drained());
        if rings || owes_room {
            // Room that nobody was told of counts on.
            self.consumer.told();
        }
        rings
    }
}

/// The rule that the peer broke. The ring is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The index of freed lines is not between where it was and what was written.
    Head,
    /// The count of taken frames is not between what it was and what was written.
    Taken,
    /// A record is longer than any frame may be.
    Length(u32),
    /// The reserved word of a record is not zero.
    Reserved,
    /// Own fault: a frame was pushed that is longer than any may be.
    Oversized,
    /// Own fault: a frame was pushed after the end.
    Ended,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Head => f.write_str("the peer freed room in the ring that was not in use"),
            Broken::Taken => f.write_str("the peer took back or took more frames than the ring was given"),
            Broken::Length(bytes) => write!(f, "the peer wrote a record of {bytes} bytes into the ring"),
            Broken::Reserved => f.write_str("the peer wrote into a reserved word of a record"),
            Broken::Oversized => f.write_str("a frame is longer than the ring takes"),
            Broken::Ended => f.write_str("a frame was pushed after the end of the ring"),
        }
    }
}

impl std::error::Error for Broken {}
