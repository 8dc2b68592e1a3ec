//! What whoever takes letters tells their callers.

use std::sync::Arc;
use std::time::Duration;

use farcall_core::wire::mailbox::{Id, NOBODY, News, Outcome, Slip};
use farcall_core::wire::{Flags, Head, Kind, encode_error};
use farcall_core::{Code, Error, Fate, Gone, Time};

use super::{Taken, TakerLink};
use crate::mailbox::laggards::Outgoing;
use crate::mailbox::post::{INLINE, memory};

/// Callers that are remembered to have this process's pidfd; above, all are forgotten and get it again.
const TOLD: usize = 4096;

/// Time for which an answer that found no room is kept after the deadline, or without one.
pub(super) const REFUSAL: Duration = Duration::from_millis(200);

impl TakerLink {
    pub(super) fn say_taken(&mut self, taken: &Taken) -> bool {
        if taken.reply_to == NOBODY {
            return true;
        }
        let slip = Slip { taker: self.id, call: taken.call, news: News::Taken }.encode();
        let is_new = !self.told.contains(&taken.reply_to);
        let descriptor = is_new.then(|| Arc::clone(&self.process));
        if is_new {
            if self.told.len() >= TOLD {
                self.told.clear();
            }
            self.told.insert(taken.reply_to);
        }
        self.out.post(&taken.reply_to, Outgoing { slip, descriptor, until: taken.until })
    }

    /// Sends a verdict. Who is gone does not get it, and nothing is kept for him.
    pub(super) fn answer(
        &mut self,
        to: Id,
        call: u64,
        until: Time,
        kind: Kind,
        failed: bool,
        payload: &[u8],
    ) {
        if to == NOBODY {
            return;
        }
        let verdict = |result| Slip { taker: self.id, call, news: News::Verdict { kind, failed, result } };
        let (slip, descriptor) = if payload.len() <= INLINE {
            (verdict(Outcome::Here(payload)).encode(), None)
        } else {
            match memory(payload) {
                Ok(fd) => (verdict(Outcome::Memory(payload.len() as u64)).encode(), Some(Arc::new(fd))),
                Err(error) => {
                    let text =
                        format!("{}: no memory for {} bytes of result: {error}", self.url, payload.len());
                    let error = encode_error(&Error::new(Code::ResourceExhausted, Fate::Completed, text));
                    let news =
                        News::Verdict { kind: Kind::Error, failed: false, result: Outcome::Here(&error) };
                    (Slip { taker: self.id, call, news }.encode(), None)
                }
            }
        };
        if !self.out.post(&to, Outgoing { slip, descriptor, until }) {
            self.told.remove(&to);
        }
    }

    pub(super) fn hear_verdict(&mut self, head: Head, payload: &[u8]) {
        if head.flags.has(Flags::CONTINUED) || head.flags.has(Flags::MORE) {
            match &mut self.gathering {
                Some((_, buf)) if head.flags.has(Flags::CONTINUED) => buf.extend_from_slice(payload),
                gathering => *gathering = Some((head, payload.to_vec())),
            }
            if head.flags.has(Flags::MORE) {
                return;
            }
            let Some((_, buf)) = self.gathering.take() else { return };
            return self.finish(head, &buf);
        }
        self.finish(head, payload);
    }

    pub(super) fn finish(&mut self, head: Head, payload: &[u8]) {
        if let Some(Taken { reply_to, call, until }) = self.calls.remove(&head.call) {
            self.answer(reply_to, call, until + REFUSAL, head.kind, head.flags.has(Flags::FAILED), payload);
        }
    }

    /// Tells the callers of what is still running that this server has let go of it.
    pub(super) fn let_go(&mut self) {
        self.is_draining = true;
        for (_, Taken { reply_to, call, until }) in std::mem::take(&mut self.calls) {
            let text = format!("{}: the server that had taken the call has ended", self.url);
            let error = encode_error(&Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, text));
            self.answer(reply_to, call, until, Kind::Error, false, &error);
        }
    }
}
