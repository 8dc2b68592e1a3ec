//! Calls of the peer: how they are served, and their verdicts.

use crate::buffers;
use crate::error::{Code, Error, Fate};
use crate::proto::{Body, InKey, Machine, Outgoing, Stage};
use crate::wire::{Flags, Head, Kind, Options, encode_cancelled, encode_error};

impl Machine {
    /// A waiting request is about to be dispatched; `false` if it no longer stands.
    pub fn begin(&mut self, key: InKey) -> bool {
        let waiting = self.calls_in.stage(key) == Some(Stage::Waiting);
        if waiting {
            self.calls_in.set_stage(key, Stage::Running);
        }
        waiting
    }

    /// A request that was about to be dispatched waits again, until another [`begin`](Machine::begin); `false` if it no
    /// longer stands.
    pub fn postpone(&mut self, key: InKey) -> bool {
        let running = self.calls_in.stage(key) == Some(Stage::Running);
        if running {
            self.calls_in.set_stage(key, Stage::Waiting);
        }
        running
    }

    /// How far a call to be served has come; `None` after its verdict.
    pub fn stage(&self, key: InKey) -> Option<Stage> {
        self.calls_in.stage(key)
    }

    /// The handler returned: its value, or (`failed`) the service's own error. A verdict already given stands.
    pub fn reply(&mut self, key: InKey, failed: bool, payload: Vec<u8>) {
        if let Some(flags) = self.may_reply(key, failed, payload.len()) {
            self.outbox.push_verdict(Kind::Reply, flags, key.id(), payload);
        }
    }

    /// The same for a value in two parts, of which the second is not copied if it is large.
    pub fn reply_bytes(&mut self, key: InKey, failed: bool, mut front: Vec<u8>, bytes: Vec<u8>) {
        let size = front.len().saturating_add(bytes.len());
        if size <= self.calls_out.fragment() {
            buffers::append(&mut front, &bytes);
            buffers::give(bytes);
            return self.reply(key, failed, front);
        }
        if let Some(flags) = self.may_reply(key, failed, size) {
            self.outbox.push_bytes(flags, key.id(), front, bytes);
        }
    }

    /// The flags of the verdict; `None` if there is one already, or it is too large, which is then the verdict.
    fn may_reply(&mut self, key: InKey, failed: bool, size: usize) -> Option<Flags> {
        self.calls_in.remove(key)?;
        let limit = self.peer.as_ref().map_or(0, |peer| peer.max_message);
        if size > limit {
            let text = format!("the result takes {size} bytes, the caller's limit is {limit} (max_message)");
            let error = Error::new(Code::TooLarge, Fate::Completed, text);
            self.outbox.push_verdict(Kind::Error, Flags::NONE, key.id(), encode_error(&error));
            return None;
        }
        Some(if failed { Flags::FAILED } else { Flags::NONE })
    }

    /// Makes the `frame` of a verdict that may leave at once, which takes the payload; `false`: something is in front of it, it
    /// needs more than one frame, or there is a verdict already. Nothing is noted before it [has left](Machine::note_replied).
    #[inline(always)]
    pub fn reply_at_once(
        &self,
        key: InKey,
        failed: bool,
        payload: &mut Vec<u8>,
        frame: &mut Outgoing,
    ) -> bool {
        let limit = self.peer.as_ref().map_or(0, |peer| peer.max_message);
        let fits = payload.len() <= limit.min(self.calls_out.fragment());
        if !fits || !self.outbox.is_open_and_empty() || self.calls_in.stage(key).is_none() {
            return false;
        }
        let flags = if failed { Flags::FAILED } else { Flags::NONE };
        let head = Head { flags, ..Head::new(Kind::Reply, key.id()) };
        head.encode_into(Options::default(), &mut frame.head);
        frame.body = Body::Whole(std::mem::take(payload));
        true
    }

    /// The [frame](Machine::reply_at_once) of this call's verdict has left.
    #[inline(always)]
    pub fn note_replied(&mut self, key: InKey) {
        self.calls_in.remove(key);
        self.handed_out = self.handed_out.saturating_add(1);
        self.calls_next = true;
    }

    /// The call ended without a value. A verdict already given stands.
    pub fn refuse(&mut self, key: InKey, error: &Error) {
        if self.calls_in.remove(key).is_some() {
            self.outbox.push_verdict(Kind::Error, Flags::NONE, key.id(), encode_error(error));
        }
    }

    /// The handler was dropped before its end, as [`Event::Stop`](crate::proto::Event::Stop) or a shutdown asked.
    pub fn stopped(&mut self, key: InKey) {
        let Some(stage) = self.calls_in.remove(key) else { return };
        let (kind, payload) = match stage {
            Stage::Cancelled => (Kind::Cancelled, encode_cancelled(Fate::Started)),
            Stage::Expired => {
                let error = Error::new(
                    Code::DeadlineExceeded,
                    Fate::Started,
                    "the deadline passed while the handler ran",
                );
                (Kind::Error, encode_error(&error))
            }
            Stage::Waiting | Stage::Running => {
                let error =
                    Error::new(Code::Draining, Fate::Started, "the server shut down while the handler ran");
                (Kind::Error, encode_error(&error))
            }
        };
        self.outbox.push_verdict(kind, Flags::NONE, key.id(), payload);
    }
}
