//! The producer: writes frames into a ring, publishes each by itself, and learns what was taken.

use super::layout::{self, CHECK, HEAD, LENGTH, Layout, RESERVED, lines_of, seal};
use super::memory::Memory;
use super::sites::{Load, Store};
use super::{Broken, Side};

/// The length that stands for the end: no frame has it.
pub(super) const END: u32 = u32::MAX;

/// So many lines before it is written, a line is asked for.
const AHEAD: u64 = 6;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is there for the peer to see.
    Taken,
    /// There is no room for it now; nothing was written.
    Full,
}

/// The writing end of one ring.
pub(crate) struct Producer<M> {
    memory: M,
    layout: Layout,
    /// Where the ring begins.
    ring: usize,
    head_at: usize,
    taken_at: usize,
    key: u64,
    /// The line at which the next record begins, counted from the first of all.
    position: u64,
    /// The line which no record may reach; 0 once nothing can be pushed any more.
    limit: u64,
    /// Stamp and check of the next record.
    seal: (u32, u32),
    /// Lines that the peer has freed, as last seen.
    freed: u64,
    pushed: u64,
    /// Frames that the peer has taken, as last seen.
    taken: u64,
    over: Option<Broken>,
}

impl<M: Memory> Producer<M> {
    pub(super) fn new(memory: M, layout: Layout, side: Side, key: u64, start: u64) -> Self {
        Producer {
            memory,
            layout,
            ring: layout.ring_of(side),
            head_at: layout::head_of(side.other()),
            taken_at: layout::taken_by(side.other()),
            key,
            position: start,
            limit: start + layout.lines() - 1,
            seal: seal(key, start),
            freed: start,
            pushed: 0,
            taken: 0,
            over: None,
        }
    }

    /// Writes one frame and publishes it.
    ///
    /// # Errors
    /// The peer broke a rule, or the frame is longer than any may be, or the end was pushed before.
    #[inline]
    pub(crate) fn push(&mut self, head: &[u8], body: &[u8]) -> Result<Pushed, Broken> {
        let bytes = head.len() + body.len();
        let lines = lines_of(bytes);
        if (bytes > self.layout.longest() || self.position + lines > self.limit) && !self.make_room(bytes)? {
            return Ok(Pushed::Full);
        }
        let offset = self.layout.offset(self.position);
        if offset + HEAD + bytes <= self.layout.ring_bytes() {
            let at = self.ring + offset + HEAD;
            self.memory.copy_in(at, head);
            self.memory.copy_in(at + head.len(), body);
        } else {
            self.copy_round(offset + HEAD, head);
            self.copy_round(offset + HEAD + head.len(), body);
        }
        self.publish(offset, bytes as u32);
        self.position += lines;
        self.seal = seal(self.key, self.position);
        self.pushed += 1;
        // The consumer has read those lines a lap ago: to get them back from there takes as long as some records.
        for line in 0..lines.min(AHEAD) {
            self.memory.will_write(self.ring + self.layout.offset(self.position + AHEAD - line));
        }
        Ok(Pushed::Taken)
    }

    /// Whether a frame of so many bytes would be taken now.
    ///
    /// # Errors
    /// As [`push`](Producer::push).
    pub(crate) fn has_room(&mut self, bytes: usize) -> Result<bool, Broken> {
        let is_known = bytes <= self.layout.longest() && self.position + lines_of(bytes) <= self.limit;
        if is_known { Ok(true) } else { self.make_room(bytes) }
    }

    /// Whether the peer has freed more than when it was last looked at; or a rule is broken, which is news as well.
    pub(crate) fn may_have_room(&self) -> bool {
        self.over.is_some() || self.memory.load(self.head_at, Load::Head) != self.freed as u32
    }

    /// Whether the peer says that it has taken all.
    pub(crate) fn is_drained(&self) -> bool {
        self.memory.load(self.head_at, Load::Head) == self.position as u32
    }

    /// Frames that were pushed.
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Frames that the peer has taken: the others it has not seen, if it has ended meanwhile.
    ///
    /// # Errors
    /// The count is none that an honest peer could have written.
    pub(crate) fn taken(&mut self) -> Result<u64, Broken> {
        if let Some(broken) = self.over.filter(|broken| *broken != Broken::Ended) {
            return Err(broken);
        }
        let shared = self.memory.load(self.taken_at, Load::Taken);
        // Each frame that was not taken has a line: more than the ring has cannot be meant.
        let missing = u64::from((self.pushed as u32).wrapping_sub(shared));
        match self.pushed.checked_sub(missing) {
            Some(taken) if missing <= self.layout.lines() && taken >= self.taken => {
                self.taken = taken;
                Ok(taken)
            }
            _ => Err(self.poison(Broken::Taken)),
        }
    }

    /// The end: behind the last frame the peer finds that no more will come. There is always room for it.
    pub(crate) fn close(&mut self) {
        if self.over.is_none() {
            self.publish(self.layout.offset(self.position), END);
            // So that the peer has not taken everything.
            self.position += 1;
            self.poison(Broken::Ended);
        }
    }

    /// What makes a record visible, after all of its bytes are written.
    #[inline]
    fn publish(&self, offset: usize, length: u32) {
        let at = self.ring + offset;
        let (stamp, check) = self.seal;
        self.memory.store(at + LENGTH, length, Store::Length);
        self.memory.store(at + RESERVED, 0, Store::Reserved);
        self.memory.store(at + CHECK, check, Store::Check);
        self.memory.store(at, stamp, Store::Stamp);
    }

    /// Looks at what the peer has freed, once.
    #[cold]
    fn make_room(&mut self, bytes: usize) -> Result<bool, Broken> {
        if let Some(broken) = self.over {
            return Err(broken);
        }
        if bytes > self.layout.longest() {
            return Err(Broken::Oversized);
        }
        let shared = self.memory.load(self.head_at, Load::Head);
        let freed = u64::from(shared.wrapping_sub(self.freed as u32));
        if freed > self.position - self.freed {
            return Err(self.poison(Broken::Head));
        }
        self.freed += freed;
        // One line is kept for the end.
        self.limit = self.freed + self.layout.lines() - 1;
        Ok(self.position + lines_of(bytes) <= self.limit)
    }

    #[cold]
    fn poison(&mut self, broken: Broken) -> Broken {
        self.over = Some(broken);
        self.limit = 0;
        broken
    }

    /// Copies to an offset that may lie behind the ring's end, or reach over it.
    #[cold]
    fn copy_round(&self, offset: usize, bytes: &[u8]) {
        let offset = offset & (self.layout.ring_bytes() - 1);
        let (first, rest) = bytes.split_at(bytes.len().min(self.layout.ring_bytes() - offset));
        self.memory.copy_in(self.ring + offset, first);
        self.memory.copy_in(self.ring, rest);
    }
}
