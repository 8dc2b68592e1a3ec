//! What the machine tells, and how much waits because of it.

use crate::buffers;
use crate::limits::{SEND_BUDGET, SEND_HARD};
use crate::proto::{Event, Verdict};
use crate::session::{Chores, Inner, Request, Settled};

impl Inner {
    /// Whether so much waits for the peer that its calls are not dispatched.
    pub(super) fn is_over_budget(&self) -> bool {
        self.machine.answer_bytes() > SEND_BUDGET
    }

    /// Whether so much waits, on both ways, that nothing more may be read.
    pub(super) fn must_pause(&self) -> bool {
        let answers = self.machine.answer_bytes();
        answers > SEND_HARD || (answers > SEND_BUDGET && self.requests.is_full())
    }

    #[inline]
    pub(super) fn absorb_events(&mut self, chores: &mut Chores) {
        if self.machine.has_events() {
            self.absorb_all(chores);
        }
    }

    #[cold]
    fn absorb_all(&mut self, chores: &mut Chores) {
        while let Some(event) = self.machine.poll_event() {
            self.absorb(event, chores);
        }
    }

    #[inline(always)]
    pub(super) fn absorb(&mut self, event: Event<'_>, chores: &mut Chores) {
        match event {
            Event::Verdict { token, verdict } => {
                self.asked = false;
                let settled = match verdict {
                    Verdict::Value(payload) => Settled::Value(payload.into_message(buffers::take)),
                    Verdict::Failed(payload) => Settled::Failed(payload.into_message(buffers::take)),
                    Verdict::Error(error) => Settled::Error(error),
                    Verdict::Cancelled(fate) => Settled::cancelled(fate),
                };
                // Once only: the next call that is started may get the slot, and its verdict be among what comes now.
                if chores.token == Some(token) {
                    chores.token = None;
                    chores.settled = Some(settled);
                    chores.spent = self.waiters.release(token);
                } else if let Some(waker) = self.waiters.settle(token, settled) {
                    chores.wake(waker);
                }
            }
            Event::Request { key, object, method, deadline, cause, payload } => {
                self.asked = true;
                let body = payload.into_message(buffers::take).into_buffer();
                // Whoever waits for that call may be the only one who can run what it has caused.
                let causer = cause.and_then(|number| self.machine.token(number));
                if let Some(waker) = causer.and_then(|token| self.waiters.rouse(token)) {
                    chores.wake(waker);
                }
                let request = Request { key, object, method, deadline, cause, body };
                if chores.takes && chores.request.is_none() && self.may_hand_over() {
                    chores.request = Some(request);
                } else {
                    self.requests.push(request);
                }
            }
            Event::Open { object, open } => chores.rare().open = Some((object, open)),
            Event::Stop(key) => {
                if let Some(waker) = self.running.forget(key) {
                    chores.wake(waker);
                }
            }
            Event::Ready => {
                chores.rare().ready = true;
                chores.wake_all(&mut self.watchers);
            }
            Event::Opened => chores.wake_all(&mut self.watchers),
            Event::Draining => {}
            Event::Closed(error) => {
                chores.rare().end.get_or_insert(error);
            }
        }
    }
}
