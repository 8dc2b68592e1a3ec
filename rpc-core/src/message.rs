//! The bytes of a message, as they were gathered.

use crate::buffers;

/// A message in its receiver's memory.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// In one buffer.
    Whole(Vec<u8>),
    /// Behind a short first fragment, which may be what was written in front of bytes that are a value by themselves.
    Apart(Box<Apart>),
}

/// A message in two parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Apart {
    /// What the first fragment held; nothing once it is [joined](Apart::join).
    pub front: Vec<u8>,
    /// What followed it.
    pub bytes: Vec<u8>,
}

impl Apart {
    /// Puts everything into `bytes`.
    pub fn join(&mut self) {
        self.bytes.reserve_exact(self.front.len());
        self.bytes.splice(..0, self.front.drain(..));
    }
}

impl Message {
    /// A message of these parts.
    pub fn of(front: Vec<u8>, bytes: Vec<u8>) -> Self {
        if front.is_empty() {
            Message::Whole(bytes)
        } else {
            Message::Apart(Box::new(Apart { front, bytes }))
        }
    }

    /// Its length, in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Message::Whole(bytes) => bytes.len(),
            Message::Apart(apart) => apart.front.len().saturating_add(apart.bytes.len()),
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of its bytes, in a row.
    #[inline]
    pub fn join(&mut self) -> &[u8] {
        match self {
            Message::Whole(bytes) => bytes,
            Message::Apart(apart) => {
                apart.join();
                &apart.bytes
            }
        }
    }

    /// The same in a buffer.
    #[inline]
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Message::Whole(bytes) => bytes,
            Message::Apart(mut apart) => {
                apart.join();
                buffers::give(apart.front);
                apart.bytes
            }
        }
    }

    /// Gives its buffers back.
    #[inline]
    pub(crate) fn recycle(self) {
        match self {
            Message::Whole(bytes) => buffers::give(bytes),
            Message::Apart(apart) => {
                buffers::give(apart.front);
                buffers::give(apart.bytes);
            }
        }
    }
}
