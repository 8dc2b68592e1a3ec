//! What goes out at once: a call or a verdict for which nothing else waits goes from its maker straight to the link. Where
//! that takes no system call all of them do, and the link is flushed when they would have been sent together.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use crate::driver::turn::Turn;
use crate::driver::{Driver, parts_of};
use crate::error::Error;
use crate::proto::{Body, InKey, NewCall, Outgoing};
use crate::session::{Caller, Departure, Outcome, Request, Started};
use crate::time::Time;
use crate::transport::Sent;

/// What has become of a frame that was to leave at once.
enum Leaving {
    /// There was none.
    Nothing,
    /// The link would not take it: the session has it.
    Refused,
    /// The link has taken so many bytes; what is left of it is its buffer.
    Sent(usize, Body),
    /// It is to be sent once the session is free.
    Kept(Outgoing),
}

impl Turn {
    /// Whether a frame that is made now may go to the link as the next.
    fn is_clear(&self) -> bool {
        self.link.is_some() && !self.blocked && self.frames.is_empty() && self.closed.is_none()
    }
}

impl Driver {
    /// Starts a call, at the time that `clock` gives; what it leaves unsent goes with the next flush. `awake`: its caller is
    /// going to look for the verdict, so that nobody need ring for it.
    ///
    /// # Errors
    /// As [`Session::start`](crate::session::Session::start).
    pub fn start(
        self: &Arc<Self>,
        call: &mut NewCall,
        waker: Option<Waker>,
        departure: Departure,
        awake: bool,
        clock: impl FnOnce() -> Time,
    ) -> Result<Started, Error> {
        // What is not wanted of it is dropped at the very end, when nothing is locked.
        let mut caller = Caller { waker, looks: self.is_polite() };
        let queued = departure == Departure::WithOthers && !self.looks_free;
        let turn = if queued { None } else { self.turn.try_lock().ok() };
        let Some(mut turn) = turn else {
            return self.session.start(call, &mut caller, Departure::WithOthers, clock, |_| false);
        };
        let goes = match departure {
            _ if !turn.is_clear() => Departure::WithOthers,
            _ if self.looks_free => Departure::AtOnce,
            asked => asked,
        };
        if awake {
            turn.stay_awake();
        }
        let mut leaving = Leaving::Nothing;
        let send = |frame: &mut Outgoing| self.hand_over(&mut turn, frame, &mut leaving);
        let result = self.session.start(call, &mut caller, goes, clock, send);
        let flushes = match (departure, &result) {
            (Departure::AtOnce, _) => true,
            (Departure::AtOnceIfAlone, Ok(started)) => started.alone,
            _ => false,
        };
        let sent = self.see_off(&mut turn, leaving, flushes);
        self.let_go(turn, sent);
        result
    }

    /// A handler may have ended in place; the next request for whoever has the right to dispatch. The verdict goes out at once
    /// unless others are about to follow.
    pub(super) fn finish(self: &Arc<Self>, ended: Option<(InKey, Outcome)>) -> Option<Request> {
        let Some((key, outcome)) = ended else { return self.session.next_request() };
        let queued = self.session.has_requests() && !self.looks_free;
        let turn = if queued { None } else { self.turn.try_lock().ok() };
        let mut leaving = Leaving::Nothing;
        let Some(mut turn) = turn else {
            return self.session.finish_and_next(key, outcome, None::<fn(&mut Outgoing) -> bool>);
        };
        let is_clear = turn.is_clear();
        let send = |frame: &mut Outgoing| self.hand_over(&mut turn, frame, &mut leaving);
        let next = self.session.finish_and_next(key, outcome, is_clear.then_some(send));
        let sent = self.see_off(&mut turn, leaving, next.is_none());
        self.let_go(turn, sent);
        next
    }

    /// Takes a frame out of the hands of the session, which is locked. Where looks are free the link takes it now, without a
    /// system call unless it is full, so that it is there already when it is noted; otherwise it is kept. `false`: the link is
    /// full, or at its end, and a flush finds out what follows.
    ///
    /// The frame lies where it was made: to move it before it has settled costs more than to make it.
    #[inline(always)]
    fn hand_over(&self, turn: &mut Turn, frame: &mut Outgoing, leaving: &mut Leaving) -> bool {
        if !self.looks_free {
            *leaving = Leaving::Kept(frame.take());
            return true;
        }
        let Some(link) = &mut turn.link else { return false };
        let parts = parts_of(frame);
        let taken = matches!(link.send(parts), Ok(Sent::Taken));
        *leaving = if taken { Leaving::Sent(parts.size(), frame.take_body()) } else { Leaving::Refused };
        taken
    }

    /// Sends what was kept, and what was sent it makes known; `false`: a flush finds out what follows.
    ///
    /// `flushes`: nothing else is about to follow.
    #[inline(always)]
    fn see_off(&self, turn: &mut Turn, leaving: Leaving, flushes: bool) -> bool {
        let Some(link) = &mut turn.link else { return matches!(leaving, Leaving::Nothing) };
        let (bytes, mut body) = match leaving {
            Leaving::Nothing => return true,
            Leaving::Refused => return false,
            Leaving::Sent(bytes, body) => (bytes, body),
            Leaving::Kept(mut frame) => {
                let parts = parts_of(&frame);
                if !matches!(link.send(parts), Ok(Sent::Taken)) {
                    turn.frames.push_back(frame);
                    return false;
                }
                (parts.size(), frame.take_body())
            }
        };
        self.note_move(bytes);
        self.unflushed.store(!flushes, Ordering::Relaxed);
        let flushed = !flushes || matches!(link.flush(), Ok(Sent::Taken));
        body.recycle();
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
