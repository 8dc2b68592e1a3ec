//! Frames into a queue: cut to messages, each with its stamp.

use std::collections::VecDeque;

use farcall_core::transport::{LinkFault, OutFrame, Sent};
use rustix::io::Errno;

use super::{END, HEAD};
use crate::queue::Queue;
use crate::ring::seal;

pub(super) struct Outward {
    pub(super) queue: Queue,
    key: u64,
    /// Bytes of a message.
    longest: usize,
    /// Messages sent.
    position: u64,
    /// The message that is being put together.
    message: Vec<u8>,
    /// What has found no room of a frame that has begun.
    rest: Vec<u8>,
    accepted: u64,
    /// Of the last messages, as many as the queue holds: whether each ended a frame.
    ends: VecDeque<bool>,
    depth: usize,
}

impl Outward {
    pub(super) fn new(queue: Queue, key: u64, longest: usize) -> rustix::io::Result<Self> {
        let depth = queue.attributes()?.depth;
        let (message, rest, ends) = (Vec::with_capacity(longest), Vec::new(), VecDeque::new());
        Ok(Outward { queue, key, longest, position: 0, message, rest, accepted: 0, ends, depth })
    }

    /// Takes the frame whole or not at all; what finds no room is kept until the next [`flush`](Outward::flush).
    pub(super) fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        if self.flush()? == Sent::WouldBlock {
            return Ok(Sent::WouldBlock);
        }
        let size = frame.size();
        let mut gone = 0;
        loop {
            let (left, piece) = (size - gone, self.longest - HEAD);
            self.begin(left);
            let head = frame.head.get(gone..).unwrap_or_default();
            let head = &head[..head.len().min(piece)];
            let body = &frame.body[gone.saturating_sub(frame.head.len()).min(frame.body.len())..];
            self.message.extend_from_slice(head);
            self.message.extend_from_slice(&body[..body.len().min(piece - head.len())]);
            if !self.put(left <= piece)? {
                break;
            }
            if left <= piece {
                return Ok(Sent::Taken);
            }
            gone += piece;
        }
        if gone == 0 {
            return Ok(Sent::WouldBlock);
        }
        self.rest.extend_from_slice(frame.head.get(gone..).unwrap_or_default());
        self.rest.extend_from_slice(&frame.body[gone.saturating_sub(frame.head.len())..]);
        Ok(Sent::Taken)
    }

    /// Sends what was kept.
    pub(super) fn flush(&mut self) -> Result<Sent, LinkFault> {
        let mut gone = 0;
        while gone < self.rest.len() {
            let left = self.rest.len() - gone;
            let piece = left.min(self.longest - HEAD);
            self.begin(left);
            self.message.extend_from_slice(&self.rest[gone..gone + piece]);
            if !self.put(piece == left)? {
                self.rest.drain(..gone);
                return Ok(Sent::WouldBlock);
            }
            gone += piece;
        }
        self.rest.clear();
        Ok(Sent::Taken)
    }

    /// Says that nothing more will come, if there is room for that.
    pub(super) fn close(&mut self) {
        if self.rest.is_empty() {
            self.message.clear();
            self.stamp(END);
            let _ = self.put(false);
        }
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Frames of which the last message is not in the queue any more.
    pub(super) fn taken(&self) -> Option<u64> {
        let waiting = self.queue.attributes().ok()?.waiting;
        let untaken = self.ends.iter().rev().take(waiting).filter(|ends| **ends).count() as u64;
        self.accepted.checked_sub(untaken)
    }

    fn begin(&mut self, left: usize) {
        self.message.clear();
        self.stamp(u32::try_from(left).expect("a frame is at most MAX_FRAME bytes"));
    }

    fn stamp(&mut self, length: u32) {
        let (stamp, _) = seal(self.key, self.position);
        self.message.extend_from_slice(&stamp.to_le_bytes());
        self.message.extend_from_slice(&length.to_le_bytes());
    }

    /// Puts the message into the queue; `false`: there is no room.
    fn put(&mut self, ends_frame: bool) -> Result<bool, LinkFault> {
        match self.queue.send(&self.message, 0) {
            Ok(()) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
        self.position += 1;
        self.accepted += u64::from(ends_frame);
        if self.ends.len() == self.depth {
            self.ends.pop_front();
        }
        self.ends.push_back(ends_frame);
        Ok(true)
    }
}
