//! Gathering the fragments of one message.

use crate::buffers;
use crate::message::Message;
use crate::proto::{Payload, Violation};
use crate::wire::{Flags, Head, Options};

/// Room taken for the first message; it grows as bytes arrive, never from a declared length.
const FIRST: usize = 256 * 1024;

/// A first fragment of no more bytes is what was written in front of others, and lies apart from them.
const FRONT: usize = 64;

/// The one message of its lane that has begun to arrive. A lane is either calls or replies.
#[derive(Debug, Default)]
pub(super) struct Lane {
    begun: Option<Begun>,
    /// Bytes of the largest message lately: room for the next one, up to what [`buffers::take`] gives.
    lately: usize,
    /// Whether what stands in front of a message is kept apart from it: where somebody may be handed the rest as it is.
    apart: bool,
}

#[derive(Debug)]
struct Begun {
    head: Head,
    options: Options,
    front: Vec<u8>,
    buf: Vec<u8>,
}

impl Begun {
    fn len(&self) -> usize {
        self.front.len().saturating_add(self.buf.len())
    }
}

/// The payload of one frame.
pub(super) enum Part<'a> {
    /// In the frame that is being handled.
    InFrame(&'a [u8]),
    /// So many bytes at the end of a buffer that was lent for them.
    Placed(Vec<u8>, usize),
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Part::InFrame(bytes) => bytes.len(),
            Part::Placed(_, size) => *size,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Part<'a> {
    /// The payload of a message in one frame.
    pub(super) fn into_payload(self) -> Payload<'a> {
        match self {
            Part::InFrame(bytes) => Payload::Borrowed(bytes),
            Part::Placed(buf, _) => Payload::Owned(Message::Whole(buf)),
        }
    }
}

/// A message that is there whole.
pub(super) struct Gathered {
    pub(super) head: Head,
    pub(super) options: Options,
    pub(super) message: Message,
}

impl Lane {
    /// A lane whose messages keep their fronts apart.
    pub(super) fn apart() -> Self {
        Lane { apart: true, ..Lane::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Takes a fragment; gives the message with its last one.
    pub(super) fn add(
        &mut self,
        head: Head,
        options: Options,
        part: Part<'_>,
        limit: usize,
    ) -> Result<Option<Gathered>, Violation> {
        if !head.flags.has(Flags::CONTINUED) {
            self.begin(head, options)?;
        }
        let room = self.room();
        let begun = match &mut self.begun {
            Some(begun) if begun.head.call == head.call => begun,
            _ => return Err("a fragment continues no message".into()),
        };
        let size = match &part {
            Part::InFrame(bytes) => begun.len().saturating_add(bytes.len()),
            Part::Placed(buf, _) => begun.front.len().saturating_add(buf.len()),
        };
        if size > limit {
            return Err(Violation(format!(
                "a message of at least {size} bytes, the announced limit is {limit}"
            )));
        }
        let is_last = !head.flags.has(Flags::MORE);
        match part {
            Part::InFrame(bytes) => {
                let is_front =
                    self.apart && (1..=FRONT).contains(&bytes.len()) && begun.len() == 0 && !is_last;
                let (place, room) =
                    if is_front { (&mut begun.front, bytes.len()) } else { (&mut begun.buf, room) };
                if place.capacity() == 0 {
                    *place = buffers::take(room);
                }
                buffers::append(place, bytes);
            }
            Part::Placed(buf, _) => begun.buf = buf,
        }
        if !is_last {
            return Ok(None);
        }
        self.lately = size.max(self.lately.saturating_sub(self.lately / 8));
        let gathered = self.begun.take().map(|Begun { head, options, front, buf }| {
            let message = Message::of(front, fitted(buf));
            Gathered { head, options, message }
        });
        Ok(gathered)
    }

    /// Room for a message of unknown length: what the last ones took.
    fn room(&self) -> usize {
        if self.lately == 0 { FIRST } else { self.lately }
    }

    fn begin(&mut self, head: Head, options: Options) -> Result<(), Violation> {
        if self.begun.is_some() {
            return Err("a message began before the last one of its kind had ended".into());
        }
        self.begun = Some(Begun { head, options, front: Vec::new(), buf: Vec::new() });
        Ok(())
    }

    /// Lends the buffer in which the message of this frame is gathered, with `first` of its payload; `rest` more bytes are to
    /// be appended. It comes back with [`add`](Lane::add). `None`: the frame is no part of a message that may go on.
    pub(super) fn lend(&mut self, head: Head, first: &[u8], rest: usize, limit: usize) -> Option<Vec<u8>> {
        let size = first.len().saturating_add(rest);
        let is_first = !head.flags.has(Flags::CONTINUED);
        let room = self.room();
        let mut buf = match &mut self.begun {
            None if is_first && size <= limit => {
                buffers::take(if head.flags.has(Flags::MORE) { room } else { size })
            }
            Some(begun)
                if !is_first && begun.head.call == head.call && begun.len().saturating_add(size) <= limit =>
            {
                let gathered = std::mem::take(&mut begun.buf);
                if gathered.capacity() == 0 { buffers::take(room) } else { gathered }
            }
            _ => return None,
        };
        buf.reserve(size);
        buf.extend_from_slice(first);
        Some(buf)
    }

    /// Drops the message of this number, if it has begun.
    pub(super) fn abort(&mut self, call: u64) -> bool {
        match self.begun.take_if(|begun| begun.head.call == call) {
            Some(begun) => {
                buffers::give(begun.front);
                buffers::give(begun.buf);
                true
            }
            None => false,
        }
    }
}

/// A message may be kept for long: in a buffer of which it fills at least half.
fn fitted(buf: Vec<u8>) -> Vec<u8> {
    if buf.len() >= buf.capacity() / 2 {
        return buf;
    }
    let mut fitting = buffers::take(buf.len());
    buffers::append(&mut fitting, &buf);
    buffers::give(buf);
    fitting
}
