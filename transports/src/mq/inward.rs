//! Frames out of a queue: each message is judged before its bytes are used.

use farcall_core::limits::MAX_FRAME;
use farcall_core::transport::LinkFault;
use rustix::io::Errno;

use super::{END, HEAD};
use crate::queue::Queue;
use crate::ring::seal;

pub(super) struct Inward {
    pub(super) queue: Queue,
    key: u64,
    /// Messages taken.
    position: u64,
    /// Room for one message.
    message: Vec<u8>,
    /// What has come of a frame that has more than one message.
    frame: Vec<u8>,
    /// Bytes that are to come of it.
    missing: usize,
}

/// What was in the queue.
pub(super) enum Taken<'a> {
    Frame(&'a [u8]),
    Nothing,
    End,
}

impl Inward {
    pub(super) fn new(queue: Queue, key: u64, longest: usize) -> Self {
        Inward { queue, key, position: 0, message: vec![0; longest], frame: Vec::new(), missing: 0 }
    }

    pub(super) fn is_mid_frame(&self) -> bool {
        self.missing > 0
    }

    /// The next frame that is there whole.
    pub(super) fn receive(&mut self) -> Result<Taken<'_>, LinkFault> {
        loop {
            let size = match self.queue.receive(&mut self.message) {
                Ok((size, _)) => size,
                Err(Errno::AGAIN) => return Ok(Taken::Nothing),
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            };
            let Some(length) = self.judge(size)? else {
                return Ok(Taken::End);
            };
            let piece = size - HEAD;
            if self.missing == 0 && piece == length {
                return Ok(Taken::Frame(&self.message[HEAD..size]));
            }
            if self.missing == 0 {
                self.frame.clear();
            }
            self.frame.extend_from_slice(&self.message[HEAD..size]);
            self.missing = length - piece;
            if self.missing == 0 {
                return Ok(Taken::Frame(&self.frame));
            }
        }
    }

    /// Bytes of the frame that are to come, those of this message included; `None` at the end.
    fn judge(&mut self, size: usize) -> Result<Option<usize>, LinkFault> {
        let broken = |what: &str| Err(LinkFault::Broken(what.to_owned()));
        let (stamp, _) = seal(self.key, self.position);
        self.position += 1;
        let message = &self.message[..size];
        let Some((head, bytes)) = message.split_first_chunk::<HEAD>() else {
            return broken("a message in the queue is too short; somebody else uses it");
        };
        let (stamped, length) = head.split_at(4);
        if stamped != stamp.to_le_bytes() {
            return broken(
                "a message in the queue is not the next of the peer's; somebody else sends or takes",
            );
        }
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
        if length == END {
            return Ok(None);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(LinkFault::FrameTooLarge { size: length, limit: MAX_FRAME });
        }
        if self.missing > 0 && length != self.missing {
            return broken("the peer began a frame within another");
        }
        let is_full = message.len() == self.message.len();
        if bytes.len() > length || (bytes.len() < length && !is_full) {
            return broken("a message in the queue has another length than it says");
        }
        Ok(Some(length))
    }
}
