//! What the machine tells: verdicts for calls made, requests to be served, and the end.

use crate::buffers;
use crate::error::{Error, Fate};
use crate::message::Message;
use crate::proto::InKey;
use crate::time::Time;
use crate::wire::{Malformed, Open};

/// Bytes of a message: where they were received, or gathered from fragments.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Part of the frame just handled.
    Borrowed(&'a [u8]),
    /// Gathered from fragments.
    Owned(Message),
}

impl Payload<'_> {
    /// The bytes, in memory of their own; a borrowed payload is copied into `spare`.
    #[inline(always)]
    pub fn into_message(self, spare: impl FnOnce(usize) -> Vec<u8>) -> Message {
        match self {
            Payload::Owned(message) => message,
            Payload::Borrowed(bytes) => {
                let mut buf = spare(bytes.len());
                buffers::append(&mut buf, bytes);
                Message::Whole(buf)
            }
        }
    }
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The handler returned this value.
    Value(Payload<'a>),
    /// The handler returned the service's own error.
    Failed(Payload<'a>),
    /// The call itself failed.
    Error(Error),
    /// The call was cancelled; nobody waits for it any more.
    Cancelled(Fate),
}

/// Something that the session has to act on.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer has said hello: calls can be made.
    Ready,
    /// A call made from here has ended; `token` is the caller's own.
    Verdict {
        /// What the caller gave when it started the call.
        token: u32,
        /// How it ended.
        verdict: Verdict<'a>,
    },
    /// A call to be served.
    Request {
        /// Its place in the machine's table.
        key: InKey,
        /// The number under which the peer opened the service.
        object: u32,
        /// The method, in the peer's numbering.
        method: u16,
        /// When the caller stops waiting.
        deadline: Time,
        /// The own outgoing call that caused this one.
        cause: Option<u64>,
        /// The arguments.
        payload: Payload<'a>,
    },
    /// A call that waits or runs is no longer wanted.
    Stop(InKey),
    /// The peer opens a service; answer with [`Machine::answer_open`](super::Machine::answer_open).
    Open {
        /// The number it chose.
        object: u32,
        /// Name and methods.
        open: Open,
    },
    /// The peer has answered an opening: [`Machine::opened`](super::Machine::opened) says how.
    Opened,
    /// The peer takes no new calls.
    Draining,
    /// The peer has closed, for this reason.
    Closed(Error),
}

/// The peer broke a rule: the connection must end. Says which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Violation(malformed.to_string())
    }
}

impl From<&str> for Violation {
    fn from(rule: &str) -> Self {
        Violation(rule.to_owned())
    }
}
