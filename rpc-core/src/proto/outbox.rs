//! What waits to be sent, in lanes: control before verdicts, small verdicts before large ones.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "sizes of this side's own frames: no integer of the wire takes part"
)]

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
    /// No frame: the place for one.
    pub const EMPTY: Outgoing = Outgoing { head: HeadBytes::EMPTY, body: Body::Whole(Vec::new()) };

    pub(super) fn control(head: Head, payload: Vec<u8>) -> Self {
        Outgoing { head: head.encode(Options::default()), body: Body::Whole(payload) }
    }

    /// Takes the payload of a frame that is a whole message; of a fragment, a copy.
    pub fn take_message(&mut self) -> Vec<u8> {
        match self.take_body() {
            Body::Whole(bytes) => bytes,
            Body::Part(bytes, range) => bytes[range].to_vec(),
        }
    }

    /// Takes the payload out.
    #[inline]
    pub fn take_body(&mut self) -> Body {
        std::mem::replace(&mut self.body, Body::Whole(Vec::new()))
    }

    /// Takes the frame out and leaves nothing of use.
    pub fn take(&mut self) -> Outgoing {
        Outgoing { head: self.head, body: self.take_body() }
    }

    /// The payload's bytes.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::Part(bytes, range) => &bytes[range.clone()],
        }
    }
}

impl Body {
    /// Gives the buffer back once it has been sent.
    #[inline]
    pub fn recycle(&mut self) {
        match std::mem::replace(self, Body::Whole(Vec::new())) {
            Body::Whole(buf) => buffers::give(buf),
            Body::Part(buf, _) => {
                if let Some(buf) = Arc::into_inner(buf) {
                    buffers::give(buf);
                }
            }
        }
    }
}

/// The most bytes of payload that go in one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment(pub(super) usize);

impl Default for Fragment {
    fn default() -> Self {
        Fragment(MAX_FRAGMENT)
    }
}

/// Fragments end at multiples of this, where a copy may begin and end well.
const EVEN: usize = 64;

/// A large message that is being cut into fragments.
#[derive(Debug)]
pub(super) struct Cutting {
    head: Head,
    options: Options,
    /// What goes in front, in a frame of its own.
    front: Option<Vec<u8>>,
    has_begun: bool,
    buf: Arc<Vec<u8>>,
    at: usize,
    /// Bytes of each fragment but the last.
    step: usize,
}

impl Cutting {
    /// Cuts into as few fragments as possible, of about the same size: a short one at the end would only be late.
    pub(super) fn new(head: Head, options: Options, buf: Vec<u8>, Fragment(fragment): Fragment) -> Self {
        let count = buf.len().div_ceil(fragment).max(1);
        let step = buf.len().div_ceil(count).next_multiple_of(EVEN).min(fragment);
        Cutting { head, options, front: None, has_begun: false, buf: Arc::new(buf), at: 0, step }
    }

    /// The same with something in front.
    fn behind(self, front: Vec<u8>) -> Self {
        Cutting { front: Some(front), ..self }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.buf.len()
    }

    /// The next fragment. The first carries the options.
    pub(super) fn next(&mut self) -> Outgoing {
        let mut head = self.head;
        let mut options = Options::default();
        if std::mem::replace(&mut self.has_begun, true) {
            head.flags = head.flags.with(Flags::CONTINUED);
        } else {
            options = self.options;
        }
        if let Some(front) = self.front.take() {
            head.flags = head.flags.with(Flags::MORE);
            return Outgoing { head: head.encode(options), body: Body::Whole(front) };
        }
        let range = self.at..self.buf.len().min(self.at + self.step);
        if range.end < self.buf.len() {
            head.flags = head.flags.with(Flags::MORE);
        }
        self.at = range.end;
        Outgoing { head: head.encode(options), body: Body::Part(Arc::clone(&self.buf), range) }
    }
}

/// What a frame costs while it waits, besides its payload: an empty one is not free.
const FRAME_COST: usize = 64;

/// Frames of the connection itself, and verdicts.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    fragment: Fragment,
    control: VecDeque<Outgoing>,
    pongs: VecDeque<Outgoing>,
    small: VecDeque<Outgoing>,
    large: VecDeque<Cutting>,
    /// Frames and large messages in all of them.
    waiting: usize,
    /// What the verdicts and pongs that wait are charged.
    answer_bytes: usize,
    /// Goodbye has been said: nothing is taken any more.
    closed: bool,
}

impl Outbox {
    /// Larger verdicts are cut into fragments of this size.
    pub(super) fn cut_at(&mut self, fragment: usize) {
        self.fragment = Fragment(fragment);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether nothing waits, and goodbye has not been said.
    pub(super) fn is_open_and_empty(&self) -> bool {
        self.is_empty() && !self.closed
    }

    /// Bytes that the peer has made this side queue, with something for each frame.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    pub(super) fn control_len(&self) -> usize {
        self.control.len()
    }

    pub(super) fn push_control(&mut self, head: Head, payload: Vec<u8>) {
        if !self.closed {
            self.waiting += 1;
            self.control.push_back(Outgoing::control(head, payload));
        }
    }

    pub(super) fn push_pong(&mut self, token: u64) {
        if !self.closed {
            self.answer_bytes += FRAME_COST;
            self.waiting += 1;
            self.pongs.push_back(Outgoing::control(Head::new(Kind::Pong, token), Vec::new()));
        }
    }

    pub(super) fn push_verdict(&mut self, kind: Kind, flags: Flags, call: u64, payload: Vec<u8>) {
        if self.closed {
            return;
        }
        let head = Head { flags, ..Head::new(kind, call) };
        self.answer_bytes += FRAME_COST + payload.len();
        self.waiting += 1;
        if payload.len() <= self.fragment.0 {
            self.small.push_back(Outgoing::control(head, payload));
        } else {
            self.large.push_back(Cutting::new(head, Options::default(), payload, self.fragment));
        }
    }

    /// A verdict in two parts, the second of which is large.
    pub(super) fn push_bytes(&mut self, flags: Flags, call: u64, front: Vec<u8>, bytes: Vec<u8>) {
        if self.closed {
            return;
        }
        let head = Head { flags, ..Head::new(Kind::Reply, call) };
        self.answer_bytes += FRAME_COST + front.len() + bytes.len();
        self.waiting += 1;
        self.large.push_back(Cutting::new(head, Options::default(), bytes, self.fragment).behind(front));
    }

    /// Says goodbye after the small verdicts that wait; large ones are given up.
    pub(super) fn push_last(&mut self, head: Head, payload: Vec<u8>) {
        if !self.closed {
            self.closed = true;
            self.waiting += 1;
            self.waiting -= self.large.len();
            self.large.clear();
            self.answer_bytes = self.small.iter().map(|frame| FRAME_COST + frame.body().len()).sum();
            self.answer_bytes += FRAME_COST * (self.pongs.len() + 1) + payload.len();
            self.small.push_back(Outgoing::control(head, payload));
        }
    }

    pub(super) fn pop_control(&mut self) -> Option<Outgoing> {
        let frame = match self.control.pop_front() {
            Some(frame) => frame,
            None => {
                let pong = self.pongs.pop_front()?;
                self.answer_bytes -= FRAME_COST;
                pong
            }
        };
        self.waiting -= 1;
        Some(frame)
    }

    /// The next verdict or fragment of one. Only the first large verdict is cut at any time.
    pub(super) fn pop_verdict(&mut self) -> Option<Outgoing> {
        if let Some(frame) = self.small.pop_front() {
            self.answer_bytes -= FRAME_COST + frame.body().len();
            self.waiting -= 1;
            return Some(frame);
        }
        let cutting = self.large.front_mut()?;
        let frame = cutting.next();
        self.answer_bytes -= frame.body().len();
        if cutting.is_done() {
            self.large.pop_front();
            self.waiting -= 1;
            self.answer_bytes -= FRAME_COST;
        }
        Some(frame)
    }
}
