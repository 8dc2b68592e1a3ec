//! What waits to be sent, in lanes: control before verdicts, small verdicts before large ones.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::buffers;
use crate::limits::MAX_FRAGMENT;
use crate::wire::{Flags, Head, HeadBytes, Kind, Options};

/// A frame to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// The header.
    pub head: HeadBytes,
    /// The payload.
    pub body: Body,
}

/// The payload of a frame to be sent.
#[derive(Debug)]
pub enum Body {
    /// A whole message.
    Whole(Vec<u8>),
    /// A fragment of a large one.
    Part(Arc<Vec<u8>>, Range<usize>),
}

impl Outgoing {
    pub(super) fn control(head: Head, payload: Vec<u8>) -> Self {
        Outgoing { head: head.encode(Options::default()), body: Body::Whole(payload) }
    }

    /// The payload's bytes.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::Part(bytes, range) => &bytes[range.clone()],
        }
    }

    /// Gives the frame's buffer back once it has been sent.
    pub fn recycle(self) {
        match self.body {
            Body::Whole(buf) => buffers::give(buf),
            Body::Part(buf, _) => {
                if let Some(buf) = Arc::into_inner(buf) {
                    buffers::give(buf);
                }
            }
        }
    }
}

/// A large message that is being cut into fragments.
#[derive(Debug)]
pub(super) struct Cutting {
    head: Head,
    options: Options,
    buf: Arc<Vec<u8>>,
    at: usize,
}

impl Cutting {
    pub(super) fn new(head: Head, options: Options, buf: Vec<u8>) -> Self {
        Cutting { head, options, buf: Arc::new(buf), at: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.buf.len()
    }

    /// The next fragment. The first carries the options.
    pub(super) fn next(&mut self) -> Outgoing {
        let range = self.at..self.buf.len().min(self.at + MAX_FRAGMENT);
        let mut head = self.head;
        let mut options = Options::default();
        if range.start == 0 {
            options = self.options;
        } else {
            head.flags = head.flags.with(Flags::CONTINUED);
        }
        if range.end < self.buf.len() {
            head.flags = head.flags.with(Flags::MORE);
        }
        self.at = range.end;
        Outgoing { head: head.encode(options), body: Body::Part(Arc::clone(&self.buf), range) }
    }
}

/// Frames of the connection itself, and verdicts.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    control: VecDeque<Outgoing>,
    small: VecDeque<Outgoing>,
    large: VecDeque<Cutting>,
    /// Bytes of verdicts that wait.
    verdict_bytes: usize,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.small.is_empty() && self.large.is_empty()
    }

    pub(super) fn verdict_bytes(&self) -> usize {
        self.verdict_bytes
    }

    pub(super) fn control_len(&self) -> usize {
        self.control.len()
    }

    pub(super) fn push_control(&mut self, head: Head, payload: Vec<u8>) {
        self.control.push_back(Outgoing::control(head, payload));
    }

    pub(super) fn push_verdict(&mut self, kind: Kind, flags: Flags, call: u64, payload: Vec<u8>) {
        let head = Head { flags, ..Head::new(kind, call) };
        self.verdict_bytes += payload.len();
        if payload.len() <= MAX_FRAGMENT {
            self.small.push_back(Outgoing::control(head, payload));
        } else {
            self.large.push_back(Cutting::new(head, Options::default(), payload));
        }
    }

    pub(super) fn pop_control(&mut self) -> Option<Outgoing> {
        self.control.pop_front()
    }

    /// The next verdict or fragment of one. Only the first large verdict is cut at any time.
    pub(super) fn pop_verdict(&mut self) -> Option<Outgoing> {
        let frame = match self.small.pop_front() {
            Some(frame) => frame,
            None => {
                let cutting = self.large.front_mut()?;
                let frame = cutting.next();
                if cutting.is_done() {
                    self.large.pop_front();
                }
                frame
            }
        };
        self.verdict_bytes -= frame.body().len();
        Some(frame)
    }
}
