//! What goes out at once: a call or a verdict for which nothing else waits goes from its maker straight to the link. Where
//! that takes no system call all of them do, and the link is flushed when they would have been sent together.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use crate::driver::Driver;
use crate::driver::turn::Turn;
use crate::error::Error;
use crate::proto::{InKey, Outgoing};
use crate::session::{CallParts, Departure, Outcome, Request, Started};
use crate::transport::{OutFrame, Sent};

impl Turn {
    /// Whether a frame that is made now may go to the link as the next.
    fn is_clear(&self) -> bool {
        self.link.is_some() && !self.blocked && self.frames.is_empty() && self.closed.is_none()
    }
}

impl Driver {
    /// Starts a call; what it leaves unsent goes with the next flush. `awake`: its caller is going to look for the verdict, so
    /// that nobody need ring for it.
    ///
    /// # Errors
    /// As [`Session::start`](crate::session::Session::start).
    pub fn start(
        self: &Arc<Self>,
        parts: CallParts,
        waker: Option<Waker>,
        departure: Departure,
        awake: bool,
    ) -> Result<Started, (Error, Vec<u8>)> {
        let queued = departure == Departure::WithOthers && !self.looks_free;
        let turn = if queued { None } else { self.turn.try_lock().ok() };
        let Some(mut turn) = turn else {
            return self.session.start(parts, waker, Departure::WithOthers, &mut None);
        };
        let goes = match departure {
            _ if !turn.is_clear() => Departure::WithOthers,
            _ if self.looks_free => Departure::AtOnce,
            asked => asked,
        };
        if awake {
            turn.stay_awake();
        }
        let mut out = None;
        let result = self.session.start(parts, waker, goes, &mut out);
        let flushes = match (departure, &result) {
            (Departure::AtOnce, _) => true,
            (Departure::AtOnceIfAlone, Ok(started)) => started.alone,
            _ => false,
        };
        let sent = self.hand_over(&mut turn, &mut out, flushes);
        self.let_go(turn, sent);
        result
    }

    /// A handler may have ended in place; the next request for whoever has the right to dispatch. The verdict goes out at once
    /// unless others are about to follow.
    pub(super) fn finish(self: &Arc<Self>, ended: Option<(InKey, Outcome)>) -> Option<Request> {
        let Some((key, outcome)) = ended else { return self.session.next_request() };
        let turn = if self.session.has_requests() { None } else { self.turn.try_lock().ok() };
        let Some(mut turn) = turn else { return self.session.finish_and_next(key, outcome, None) };
        let mut out = None;
        let straight = turn.is_clear().then_some(&mut out);
        let next = self.session.finish_and_next(key, outcome, straight);
        let sent = self.hand_over(&mut turn, &mut out, true);
        self.let_go(turn, sent);
        next
    }

    /// Gives the frame to the link, if there is one; `false`: the link is full, or at its end, and a flush finds out what
    /// follows. The frame lies where it was made: to move it before it has settled costs more than to make it.
    ///
    /// `flushes`: nothing else is about to follow.
    #[inline(always)]
    fn hand_over(&self, turn: &mut Turn, out: &mut Option<Outgoing>, flushes: bool) -> bool {
        let Some(frame) = out else { return true };
        let Some(link) = &mut turn.link else { return false };
        let parts = OutFrame { head: frame.head.as_slice(), body: frame.body() };
        if !matches!(link.send(parts), Ok(Sent::Taken)) {
            turn.frames.extend(out.take());
            return false;
        }
        self.note_move(parts.size());
        self.unflushed.store(!flushes, Ordering::Relaxed);
        let flushed = !flushes || matches!(link.flush(), Ok(Sent::Taken));
        frame.body.recycle();
        flushed
    }

    /// The turn is free again; does what others wanted of it, and what is left to do.
    #[inline(always)]
    pub(super) fn let_go(self: &Arc<Self>, turn: MutexGuard<'_, Turn>, sent: bool) {
        drop(turn);
        if self.was_wanted() || !sent {
            self.flush_rest();
        }
    }

    #[cold]
    fn flush_rest(self: &Arc<Self>) {
        self.flush_by(self.time(), |_| {});
    }
}
