//! The consumer: takes frames out of a ring into private memory, and gives their room back.

use farcall_core::limits::MAX_HEAD;

use super::layout::{self, CHECK, HEAD, LENGTH, Layout, RESERVED, lines_of, seal};
use super::memory::Memory;
use super::producer::END;
use super::sites::{Load, Store};
use super::{Broken, Side};

/// What was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    /// One frame. The peer can prove from now on that it was taken.
    Frame,
    /// The beginning of one: so many bytes of it are still in the ring, and it is not taken before they are.
    Begun(usize),
    /// Nothing now.
    Nothing,
    /// The end: nothing will come.
    Closed,
}

/// The reading end of one ring.
pub(crate) struct Consumer<M> {
    memory: M,
    layout: Layout,
    /// Where the ring begins.
    ring: usize,
    head_at: usize,
    taken_at: usize,
    key: u64,
    /// The line at which the next record begins, counted from the first of all.
    position: u64,
    /// Stamp and check of the next record.
    seal: (u32, u32),
    taken: u32,
    /// Bytes of the frame that was begun and is still in the ring; 0: none.
    held: usize,
    /// The line up to which a waiting producer has been told of room.
    told: u64,
    over: Option<Broken>,
}

impl<M: Memory> Consumer<M> {
    pub(super) fn new(memory: M, layout: Layout, side: Side, key: u64, start: u64) -> Self {
        Consumer {
            memory,
            layout,
            ring: layout.ring_of(side.other()),
            head_at: layout::head_of(side),
            taken_at: layout::taken_by(side),
            key,
            position: start,
            seal: seal(key, start),
            taken: 0,
            held: 0,
            told: start,
            over: None,
        }
    }

    /// Whether [`pop`](Consumer::pop) has something to say.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        let at = self.ring + self.layout.offset(self.position);
        let (stamp, check) = self.seal;
        // The second word is looked at only if the first is right: polling is one load.
        (self.memory.load(at, Load::Stamp) == stamp && self.memory.load(at + CHECK, Load::Check) == check)
            || self.over.is_some()
    }

    /// Moves the next frame into `into`, which is emptied first.
    ///
    /// # Errors
    /// The peer broke a rule; from then on always the same.
    #[inline]
    pub(crate) fn pop(&mut self, into: &mut Vec<u8>) -> Result<Popped, Broken> {
        self.pop_some(into, usize::MAX)
    }

    /// The same, but of a frame of more than `longest` bytes ([`MAX_HEAD`] at least) only the first [`MAX_HEAD`]; the others
    /// are [`pop_rest`](Consumer::pop_rest)'s.
    ///
    /// # Errors
    /// As [`pop`](Consumer::pop).
    #[inline]
    pub(crate) fn pop_first(&mut self, into: &mut Vec<u8>, longest: usize) -> Result<Popped, Broken> {
        self.pop_some(into, longest.max(MAX_HEAD))
    }

    #[inline]
    fn pop_some(&mut self, into: &mut Vec<u8>, longest: usize) -> Result<Popped, Broken> {
        into.clear();
        self.held = 0;
        if !self.is_ready() {
            return Ok(Popped::Nothing);
        }
        if let Some(broken) = self.over {
            return Err(broken);
        }
        let offset = self.layout.offset(self.position);
        let length = self.memory.load(self.ring + offset + LENGTH, Load::Length);
        let reserved = self.memory.load(self.ring + offset + RESERVED, Load::Reserved);
        let bytes = length as usize;
        if reserved != 0 || bytes > self.layout.longest() {
            return self.pop_none(length, reserved);
        }
        if bytes > longest {
            self.copy_out(0, MAX_HEAD, into);
            // The length was judged: it is not looked at again.
            self.held = bytes;
            return Ok(Popped::Begun(bytes - MAX_HEAD));
        }
        self.copy_out(0, bytes, into);
        self.take(bytes);
        Ok(Popped::Frame)
    }

    /// Appends what [`pop_first`](Consumer::pop_first) has left in the ring of the frame that it began; nothing if it began none.
    pub(crate) fn pop_rest(&mut self, into: &mut Vec<u8>) {
        let bytes = std::mem::take(&mut self.held);
        if bytes > 0 {
            self.copy_out(MAX_HEAD, bytes - MAX_HEAD, into);
            self.take(bytes);
        }
    }

    /// Appends bytes of the record's frame, from `at` on.
    #[inline]
    fn copy_out(&self, at: usize, bytes: usize, into: &mut Vec<u8>) {
        let offset = self.layout.offset(self.position) + HEAD + at;
        if offset + bytes <= self.layout.ring_bytes() {
            self.memory.copy_out(self.ring + offset, bytes, into);
        } else {
            self.copy_round(offset, bytes, into);
        }
    }

    /// The record with a frame of so many bytes has been taken out: its room is the producer's again.
    #[inline]
    fn take(&mut self, bytes: usize) {
        self.position += lines_of(bytes);
        self.seal = seal(self.key, self.position);
        self.taken = self.taken.wrapping_add(1);
        // First what proves, then what lets the line be written again.
        self.memory.store(self.taken_at, self.taken, Store::Taken);
        self.memory.store(self.head_at, self.position as u32, Store::Head);
    }

    /// Whether so much room was freed since [`told`](Consumer::told) that a producer may be waiting for it.
    #[inline]
    pub(crate) fn owes_room(&self) -> bool {
        self.position - self.told >= self.layout.lines() / 4
    }

    /// A producer that waited for room has been seen to, or will be now.
    #[inline]
    pub(crate) fn told(&mut self) {
        self.told = self.position;
    }

    /// A record that is no frame: the end, or a broken rule.
    #[cold]
    fn pop_none(&mut self, length: u32, reserved: u32) -> Result<Popped, Broken> {
        let broken = match (length, reserved) {
            (END, 0) => return Ok(Popped::Closed),
            (_, 0) => Broken::Length(length),
            _ => Broken::Reserved,
        };
        self.over = Some(broken);
        Err(broken)
    }

    #[cold]
    fn copy_round(&self, offset: usize, bytes: usize, into: &mut Vec<u8>) {
        let offset = offset & (self.layout.ring_bytes() - 1);
        let first = bytes.min(self.layout.ring_bytes() - offset);
        self.memory.copy_out(self.ring + offset, first, into);
        self.memory.copy_out(self.ring, bytes - first, into);
    }
}
