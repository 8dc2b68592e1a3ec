//! Gathering the fragments of one message.

use crate::buffers;
use crate::proto::Violation;
use crate::wire::{Flags, Head, Options};

/// Room taken for a message of unknown length; it grows as bytes arrive, never from a declared length.
const FIRST: usize = 256 * 1024;

/// The one message of its lane that has begun to arrive. A lane is either calls or replies.
#[derive(Debug, Default)]
pub(super) struct Lane {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    head: Head,
    options: Options,
    buf: Vec<u8>,
}

/// A message that is there whole.
pub(super) struct Gathered {
    pub(super) head: Head,
    pub(super) options: Options,
    pub(super) buf: Vec<u8>,
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Takes a fragment; gives the message with its last one.
    pub(super) fn add(
        &mut self,
        head: Head,
        options: Options,
        payload: &[u8],
        limit: usize,
    ) -> Result<Option<Gathered>, Violation> {
        if !head.flags.has(Flags::CONTINUED) {
            self.begin(head, options)?;
        }
        let begun = match &mut self.begun {
            Some(begun) if begun.head.call == head.call => begun,
            _ => return Err("a fragment continues no message".into()),
        };
        let size = begun.buf.len().saturating_add(payload.len());
        if size > limit {
            return Err(Violation(format!(
                "a message of at least {size} bytes, the announced limit is {limit}"
            )));
        }
        begun.buf.extend_from_slice(payload);
        if head.flags.has(Flags::MORE) {
            return Ok(None);
        }
        Ok(self.begun.take().map(|Begun { head, options, buf }| Gathered { head, options, buf }))
    }

    fn begin(&mut self, head: Head, options: Options) -> Result<(), Violation> {
        if self.begun.is_some() {
            return Err("a message began before the last one of its kind had ended".into());
        }
        self.begun = Some(Begun { head, options, buf: buffers::take(FIRST) });
        Ok(())
    }

    /// Drops the message of this number, if it has begun.
    pub(super) fn abort(&mut self, call: u64) -> bool {
        match self.begun.take_if(|begun| begun.head.call == call) {
            Some(begun) => {
                buffers::give(begun.buf);
                true
            }
            None => false,
        }
    }
}
