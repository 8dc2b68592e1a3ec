//! The receiving side of a byte stream: from bytes to frames.

use super::{ByteStream, LinkFault, PREFACE, PREFIX, SEEN, retry};
use crate::buffers::{self, SCRATCH};
use crate::limits::{MAX_FRAME, MAX_HELLO};

/// Bytes read and not yet handed out. The reading buffer is held only while there is something in it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    scratch: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    greeted: bool,
    said_hello: bool,
    drained: bool,
}

/// What reading brought.
pub(super) enum Filled {
    Some,
    WouldBlock,
    End,
}

impl Inbox {
    /// A short read is no news any more: the stream is asked again.
    pub(super) fn ask_again(&mut self) {
        self.drained = false;
    }

    pub(super) fn unread(&self) -> usize {
        self.end - self.start + self.partial.len()
    }

    pub(super) fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.scratch.as_deref().map_or(&[], |scratch| &scratch[range])
    }

    /// Where the next frame lies, if it is there whole.
    pub(super) fn next_frame(&mut self) -> Result<Option<std::ops::Range<usize>>, LinkFault> {
        if !self.greeted && !self.expect_preface()? {
            return Ok(None);
        }
        let there = self.bytes(self.start..self.end);
        let Some((prefix, rest)) = there.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = u32::from_le_bytes(*prefix) as usize;
        let limit = if self.said_hello { MAX_FRAME } else { MAX_HELLO };
        if size > limit {
            return Err(LinkFault::FrameTooLarge { size, limit });
        }
        if rest.len() < size {
            return Ok(None);
        }
        let from = self.start + PREFIX;
        self.start = from + size;
        self.said_hello = true;
        Ok(Some(from..from + size))
    }

    fn expect_preface(&mut self) -> Result<bool, LinkFault> {
        let there = self.bytes(self.start..self.end);
        let known = there.len().min(PREFACE.len());
        if there[..known] != PREFACE[..known] {
            return Err(LinkFault::NotFarcall { seen: there[..there.len().min(SEEN)].to_vec() });
        }
        self.greeted = known == PREFACE.len();
        if self.greeted {
            self.start += known;
        }
        Ok(self.greeted)
    }

    pub(super) fn fill(&mut self, stream: &mut impl ByteStream) -> Result<Filled, LinkFault> {
        // A short read has emptied the stream: asking again would be a system call for nothing.
        if std::mem::take(&mut self.drained) {
            self.rest();
            return Ok(Filled::WouldBlock);
        }
        self.resume();
        let scratch = self.scratch.as_deref_mut().expect("resume has put it there");
        let room = &mut scratch[self.end..];
        let asked = room.len();
        match retry(|| stream.read(room))? {
            Some(0) => Ok(Filled::End),
            Some(read) => {
                self.end += read;
                self.drained = read < asked;
                Ok(Filled::Some)
            }
            None => {
                self.rest();
                Ok(Filled::WouldBlock)
            }
        }
    }

    /// Takes a reading buffer and puts the unread bytes at its beginning.
    fn resume(&mut self) {
        match &mut self.scratch {
            Some(scratch) => {
                scratch.copy_within(self.start..self.end, 0);
                self.end -= self.start;
            }
            None => {
                let mut scratch = buffers::take_scratch();
                scratch[..self.partial.len()].copy_from_slice(&self.partial);
                self.end = self.partial.len();
                self.partial.clear();
                self.scratch = Some(scratch);
            }
        }
        self.start = 0;
        debug_assert!(self.end < SCRATCH, "a frame is smaller than the reading buffer");
    }

    /// Gives the reading buffer back and keeps the unread bytes aside.
    fn rest(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            if self.start == self.end {
                self.partial = Vec::new();
            } else {
                self.partial.extend_from_slice(&scratch[self.start..self.end]);
            }
            buffers::give_scratch(scratch);
        }
        (self.start, self.end) = (0, 0);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.rest();
    }
}
