//! The turn: receive, tick, flush, under one lock; then, with the lock free, wake and dispatch.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::driver::intake::Intake;
use crate::driver::wait::Post;
use crate::driver::{Driver, Home, InPlace, Wants, parts_of};
use crate::error::{Error, Gone};
use crate::limits::{FLUSH_EVERY, HANDLER_HOLD, TURN_BYTES, TURN_FRAMES};
use crate::proto::Outgoing;
use crate::session::{Chores, Rare, Request, Settled};
use crate::time::Time;
use crate::transport::{Link, Sent};

/// Whether a turn receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// It only sends.
    No,
    /// It receives until would-block or budget.
    Yes,
    /// The same for somebody who only looks whether something has come: if not, there is nothing to send either.
    Glance,
    /// It receives until would-block or the end, however much: the peer has died.
    ToTheEnd,
}

/// The link and what has been taken from the session for it.
pub(super) struct Turn {
    pub(super) link: Option<Box<dyn Link>>,
    /// What was taken from the session and not yet by the link.
    pub(super) frames: VecDeque<Outgoing>,
    pub(super) blocked: bool,
    pub(super) paused: bool,
    pub(super) partial: bool,
    /// For the thread that sits at the link; made when one first does.
    pub(super) post: Option<Arc<Post>>,
    /// The peer has closed in order.
    pub(super) leaves: bool,
    /// It has, for this reason, and left calls behind that are dispatched before the session ends.
    pub(super) closed: Option<Error>,
    /// What was received asks for nothing to be sent.
    pub(super) idle: bool,
    /// Nothing is likely to follow what has come: it was waited for. To see whether that is so would take as long as it took to
    /// come, since what is next lies in the peer's hands.
    pub(super) lone: bool,
}

impl Turn {
    pub(super) fn new(link: Box<dyn Link>) -> Self {
        Turn {
            link: Some(link),
            frames: VecDeque::new(),
            blocked: false,
            paused: false,
            partial: false,
            post: None,
            leaves: false,
            closed: None,
            idle: false,
            lone: false,
        }
    }
}

/// How things stand before a sleep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Which news of the link are wanted.
    pub(super) wants: Wants,
    /// The link signals whatever comes from now on. Otherwise something is there already: a turn comes before the sleep.
    pub(super) quiet: bool,
}

impl Turn {
    pub(super) fn wants(&self) -> Wants {
        Wants { read: !self.paused, write: self.blocked }
    }

    /// Whether the peer has said goodbye and left calls behind that are still to be dispatched.
    pub(super) fn is_parting(&self) -> bool {
        self.closed.is_some()
    }

    /// Whoever has this turn looks for what comes.
    pub(super) fn stay_awake(&mut self) {
        if let Some(link) = &mut self.link {
            link.disarm();
        }
    }

    /// Arms the link for a sleep.
    pub(super) fn stand(&mut self) -> Standing {
        let wants = self.wants();
        let quiet =
            self.link.as_mut().is_none_or(|link| if wants.read { link.arm() } else { link.arm_for_room() });
        Standing { wants, quiet }
    }
}

/// Why receiving stopped.
pub(super) enum Stopped {
    Drained,
    Budget,
    /// So many verdicts wait for the peer that nothing is read from it.
    Paused,
    Ended(Error),
}

impl Driver {
    /// One turn. `true`: there is more to receive, or somebody wanted a turn meanwhile.
    pub fn turn(self: &Arc<Self>, receive: Receive, may_dispatch: bool) -> bool {
        let mut turn = self.take_turn();
        turn.lone = false;
        self.turn_with(turn, receive, may_dispatch, self.time())
    }

    /// The same for somebody who has it already.
    pub(super) fn turn_with<'a>(
        self: &'a Arc<Self>,
        mut turn: MutexGuard<'a, Turn>,
        receive: Receive,
        may_dispatch: bool,
        mut now: Time,
    ) -> bool {
        let parts = self.parts();
        for part in 1.. {
            let mut chores = Chores::before_dispatch(may_dispatch && self.server.is_some());
            let (again, closed) = self.part_of_turn(turn, receive, now, &mut chores);
            match if may_dispatch { self.dispatch(chores.take_request(), now) } else { None } {
                Some(later) => {
                    now = later;
                    self.flush_at(now);
                }
                None if self.was_wanted() => self.flush_by(now, |_| {}),
                None => {}
            }
            if closed {
                self.part(may_dispatch);
            }
            if !again || part == parts {
                return again;
            }
            turn = self.take_turn();
        }
        false
    }

    /// A turn for the caller who waits for this verdict, which is `settled` if it came: whether there is more to receive.
    #[inline(always)]
    pub(super) fn turn_for(
        self: &Arc<Self>,
        turn: MutexGuard<'_, Turn>,
        token: u32,
        receive: Receive,
        now: Time,
        settled: &mut Option<Settled>,
    ) -> bool {
        let mut chores = Chores::of_caller(token);
        let (again, closed) = self.part_of_turn(turn, receive, now, &mut chores);
        if self.was_wanted() {
            self.flush_by(now, |_| {});
        }
        if closed {
            self.part(false);
        }
        *settled = chores.take_settled();
        again
    }

    /// A peer that works meanwhile need not wait for its first verdicts until all its calls have been read.
    fn parts(&self) -> usize {
        if self.is_side_by_side() { TURN_FRAMES / FLUSH_EVERY } else { 1 }
    }

    /// What is done in one go: whether there is more to receive, and whether the peer has said goodbye.
    #[inline(always)]
    fn part_of_turn(
        &self,
        mut turn: MutexGuard<'_, Turn>,
        receive: Receive,
        now: Time,
        chores: &mut Chores,
    ) -> (bool, bool) {
        let again = self.run(&mut turn, receive, now, TURN_FRAMES / self.parts(), chores);
        let closed = turn.closed.is_some();
        drop(turn);
        chores.run();
        (again, closed)
    }

    /// The part of a turn under the lock: whether there is more to receive. `most`: frames that it receives.
    pub(super) fn run(
        &self,
        turn: &mut Turn,
        receive: Receive,
        now: Time,
        most: usize,
        chores: &mut Chores,
    ) -> bool {
        if turn.closed.is_some() {
            return false;
        }
        turn.idle = false;
        let stopped = match receive {
            Receive::No => Stopped::Drained,
            _ => self.receive(turn, receive, now, most, chores),
        };
        let sent = if turn.idle { Ok(()) } else { self.send(turn, now, chores) };
        let more = matches!(stopped, Stopped::Budget | Stopped::Paused) && !turn.paused;
        let rare = chores.take_rare();
        if rare.is_some() || sent.is_err() || matches!(stopped, Stopped::Ended(_)) {
            self.conclude(turn, stopped, sent, rare.map_or_else(Rare::default, |rare| *rare), chores);
        }
        more
    }

    #[inline(always)]
    pub(super) fn receive(
        &self,
        turn: &mut Turn,
        how: Receive,
        now: Time,
        most: usize,
        chores: &mut Chores,
    ) -> Stopped {
        if how != Receive::ToTheEnd && turn.paused {
            return Stopped::Paused;
        }
        let Some(link) = &mut turn.link else { return Stopped::Drained };
        let (mut frames, mut bytes, mut wanted) = (0_usize, 0_usize, false);
        let mut hold = None;
        let stopped = loop {
            if how != Receive::ToTheEnd && (frames >= most || bytes >= TURN_BYTES) {
                break Stopped::Budget;
            }
            match self.take_in(&mut **link, now, chores, &mut hold, !turn.lone) {
                Ok(Intake::Frame(size, taken)) => {
                    frames += 1;
                    bytes += size;
                    match taken {
                        Ok(step) => wanted |= step,
                        Err(violation) => {
                            let waiting = !turn.frames.is_empty();
                            break Stopped::Ended(self.accuse(&mut **link, waiting, &violation.0));
                        }
                    }
                    if let Some(rare) = chores.rare_if_any() {
                        hold = None;
                        wanted |= self.answer(rare);
                        if let Some(error) = rare.end.take() {
                            turn.leaves = true;
                            break Stopped::Ended(error);
                        }
                    }
                    // What was looked for, and nothing behind it.
                    if chores.has_found() && (turn.lone || link.is_quiet() == Some(true)) {
                        break Stopped::Drained;
                    }
                }
                Ok(Intake::Nothing) => break Stopped::Drained,
                Ok(Intake::Closed) => break Stopped::Ended(Error::gone(Gone::Hup)),
                Err(fault) => break Stopped::Ended(self.fault(fault)),
            }
        };
        drop(hold);
        if frames > 0 {
            self.note_move(bytes);
        }
        if !matches!(stopped, Stopped::Drained) {
            self.session.put_back(chores);
        }
        // A turn that leaves something behind says so to the link, by flushing it.
        let behind = matches!(stopped, Stopped::Budget);
        turn.idle = (frames > 0 || how == Receive::Glance)
            && !behind
            && !wanted
            && !self.unflushed.load(Ordering::Relaxed)
            && !turn.blocked
            && turn.frames.is_empty();
        let partial = link.is_mid_frame();
        if partial || turn.partial {
            turn.partial = partial;
            self.session.note_link(now, turn.blocked, partial, false);
        }
        stopped
    }

    /// Answers the opening of a service, if that is what came.
    fn answer(&self, rare: &mut Rare) -> bool {
        let (Some((object, open)), Some(server)) = (rare.open.take(), &self.server) else { return false };
        self.session.answer_open(object, &server.open(object, open));
        true
    }

    fn send(&self, turn: &mut Turn, now: Time, chores: &mut Chores) -> Result<(), Error> {
        let Some(link) = &mut turn.link else { return Ok(()) };
        let (before, was_blocked) = (link.accepted(), turn.blocked);
        let mut bytes = 0_usize;
        let (mut blocked, mut watched, mut more) = (false, false, true);
        if !turn.frames.is_empty() {
            // Time passes also while the link takes nothing: deadlines, stalls.
            self.session.step(now, 0, &mut turn.frames, chores);
        }
        while !blocked && (more || !turn.frames.is_empty()) {
            if turn.frames.is_empty() {
                let step = self.session.step(now, TURN_BYTES, &mut turn.frames, chores);
                (turn.paused, watched, more) = (step.over_budget, step.watched, step.more);
            }
            while let Some(frame) = turn.frames.front() {
                let out = parts_of(frame);
                if link.send(out).map_err(|fault| self.fault(fault))? == Sent::WouldBlock {
                    blocked = true;
                    break;
                }
                bytes += out.size();
                if let Some(mut frame) = turn.frames.pop_front() {
                    frame.body.recycle();
                }
            }
        }
        self.unflushed.store(false, Ordering::Relaxed);
        blocked |= link.flush().map_err(|fault| self.fault(fault))? == Sent::WouldBlock;
        turn.blocked = blocked;
        if link.accepted() > before {
            self.note_move(bytes);
        }
        if blocked || was_blocked {
            self.session.note_link(now, blocked, turn.partial, link.accepted() > before);
        }
        // Who sleeps on descriptors sleeps on others now; a bell rings for room as well.
        if blocked != was_blocked && self.sleeps_on_descriptors {
            self.rouse();
        }
        if !blocked && watched && self.session.sent_all(chores) {
            chores.rare().end = Some(Error::gone(Gone::LocalClose));
        }
        Ok(())
    }

    /// Wakes those who sleep on the link, to look again at what they wait for.
    pub(super) fn rouse(&self) {
        self.attendants.wake();
        if let Some(sleeper) = &*self.sleeper.lock().unwrap_or_else(PoisonError::into_inner) {
            sleeper.unpark();
        }
    }

    /// Serves what waits, unless somebody does already. `Some`: something was served, and so late is it now.
    ///
    /// `first` has been handed over already.
    pub(super) fn dispatch(self: &Arc<Self>, first: Option<Request>, mut now: Time) -> Option<Time> {
        let server = self.server.as_ref()?;
        let mut request = first.or_else(|| self.session.begin_dispatch())?;
        let mut place = InPlace::default();
        for served in 1.. {
            let method = (request.object, request.method);
            server.dispatch(self, request, &mut place);
            let next = self.finish(place.ended.take());
            // The verdict is on its way: who waits for it does not wait for the clock.
            now = self.note_end(method, now);
            request = match next {
                Some(next) => next,
                None => break,
            };
            // An early first verdict wakes the peer while the others are still being made.
            if self.is_side_by_side() && (served == 1 || served % FLUSH_EVERY == 0) {
                self.flush_at(now);
            }
        }
        Some(now)
    }

    /// A request of this method of this service has been served since then: so late is it now.
    pub(super) fn note_end(&self, (object, method): (u32, u16), since: Time) -> Time {
        let end = self.host.lately().max(since);
        let held = end.since(since);
        if held > HANDLER_HOLD
            && let Some(server) = &self.server
        {
            server.note_hold(self, object, method, held);
        }
        end
    }

    /// Whether whoever does a turn may also dispatch.
    pub(crate) fn anyone_dispatches(&self) -> bool {
        self.home == Home::Anyone
    }
}
