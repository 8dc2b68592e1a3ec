//! What whoever takes letters tells their callers.

use std::sync::Arc;
use std::time::Duration;

use farcall_core::wire::mailbox::{NOBODY, News, Outcome, Slip};
use farcall_core::wire::{Flags, Head, Kind, encode_error};
use farcall_core::{Code, Error, Fate, Gone};

use super::{Taken, TakerLink};
use crate::mailbox::laggards::Outgoing;
use crate::mailbox::post::{INLINE, memory};

/// Callers that are remembered to have this process's pidfd; above, all are forgotten and get it again.
const TOLD: usize = 4096;

/// Time for which an answer that found no room is kept after the deadline, or without one.
pub(super) const REFUSAL: Duration = Duration::from_millis(200);

impl TakerLink {
    /// Before a call is dispatched its caller can know, or find out, who has taken it.
    pub(super) fn say_taken(&mut self, taken: &mut Taken) {
        let to = taken.reply_to;
        if to == NOBODY {
            return;
        }
        let is_known = self.told.contains(&to);
        if is_known {
            taken.line = self.out.ledger.as_mut().and_then(|ledger| ledger.note(to, taken.call));
            if taken.line.is_some() {
                return;
            }
        }
        let mut enclosed = Vec::new();
        if !is_known {
            if self.told.len() >= TOLD {
                self.told.clear();
            }
            self.told.insert(to);
            enclosed.push(Arc::clone(&self.process));
            enclosed.extend(self.out.ledger.as_ref().map(|ledger| Arc::clone(ledger.fd())));
        }
        let slip = Slip { taker: self.id, call: taken.call, news: News::Taken }.encode();
        if !self.out.post(&to, Outgoing { slip, enclosed, line: None, until: taken.until }) {
            // The caller is gone: the call is made all the same, as on every wire it would be.
            self.told.remove(&to);
        }
    }

    /// Sends a verdict. Who is gone does not get it, and nothing is kept for him.
    pub(super) fn answer(&mut self, taken: Taken, kind: Kind, failed: bool, payload: &[u8]) {
        let Taken { reply_to: to, call, until, line } = taken;
        if to == NOBODY {
            return;
        }
        let verdict = |result| Slip { taker: self.id, call, news: News::Verdict { kind, failed, result } };
        let mut enclosed = Vec::new();
        let slip = if payload.len() <= INLINE {
            verdict(Outcome::Here(payload)).encode()
        } else {
            match memory(payload) {
                Ok(fd) => {
                    enclosed.push(Arc::new(fd));
                    verdict(Outcome::Memory(payload.len() as u64)).encode()
                }
                Err(error) => {
                    let text =
                        format!("{}: no memory for {} bytes of result: {error}", self.url, payload.len());
                    let error = encode_error(&Error::new(Code::ResourceExhausted, Fate::Completed, text));
                    let news =
                        News::Verdict { kind: Kind::Error, failed: false, result: Outcome::Here(&error) };
                    Slip { taker: self.id, call, news }.encode()
                }
            }
        };
        if !self.out.post(&to, Outgoing { slip, enclosed, line, until }) {
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
        if let Some(taken) = self.calls.remove(&head.call) {
            let taken = Taken { until: taken.until + REFUSAL, ..taken };
            self.answer(taken, head.kind, head.flags.has(Flags::FAILED), payload);
        }
    }

    /// Tells the callers of what is still running that this server has let go of it.
    pub(super) fn let_go(&mut self) {
        self.is_draining = true;
        for (_, taken) in std::mem::take(&mut self.calls) {
            let text = format!("{}: the server that had taken the call has ended", self.url);
            let error = encode_error(&Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, text));
            self.answer(taken, Kind::Error, false, &error);
        }
    }
}
