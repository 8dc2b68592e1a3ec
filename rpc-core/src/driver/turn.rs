//! The turn: receive, tick, flush, under one lock; then, with the lock free, wake and dispatch.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::driver::wait::Post;
use crate::driver::{Driver, Home, Wants};
use crate::error::{Code, Error, Fate, Gone};
use crate::limits::{FLUSH_EVERY, TURN_BYTES, TURN_FRAMES};
use crate::proto::{Handed, Outgoing};
use crate::session::{Chores, Rare};
use crate::time::Time;
use crate::transport::{Link, LinkFault, OutFrame, Received, Sent};

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
    /// The frame that found no room.
    frame: Option<Outgoing>,
    pub(super) blocked: bool,
    pub(super) paused: bool,
    partial: bool,
    /// For the thread that sits at the link; made when one first does.
    pub(super) post: Option<Arc<Post>>,
    /// The peer has closed in order.
    leaves: bool,
    /// It has, for this reason, and left calls behind that are dispatched before the session ends.
    closed: Option<Error>,
    /// What was received asks for nothing to be sent.
    idle: bool,
}

impl Turn {
    pub(super) fn new(link: Box<dyn Link>) -> Self {
        Turn {
            link: Some(link),
            frame: None,
            blocked: false,
            paused: false,
            partial: false,
            post: None,
            leaves: false,
            closed: None,
            idle: false,
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

    /// Arms the link for a sleep.
    pub(super) fn stand(&mut self) -> Standing {
        let wants = self.wants();
        let quiet = !wants.read || self.link.as_mut().is_none_or(|link| link.arm());
        Standing { wants, quiet }
    }
}

/// Why receiving stopped.
enum Stopped {
    Drained,
    Budget,
    /// So many verdicts wait for the peer that nothing is read from it.
    Paused,
    Ended(Error),
}

impl Driver {
    /// One turn. `true`: there is more to receive, or somebody wanted a turn meanwhile.
    pub fn turn(self: &Arc<Self>, receive: Receive, may_dispatch: bool) -> bool {
        // A peer that works meanwhile need not wait for its first verdicts until all its calls have been read.
        let parts = if self.is_side_by_side() { TURN_FRAMES / FLUSH_EVERY } else { 1 };
        let mut now = self.time();
        let mut again = false;
        let mut chores = Chores::default();
        for _ in 0..parts {
            let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            again = self.run(&mut turn, receive, now, TURN_FRAMES / parts, &mut chores);
            let closed = turn.closed.is_some();
            drop(turn);
            chores.run();
            match if may_dispatch { self.dispatch(now) } else { None } {
                Some(later) => {
                    now = later;
                    self.flush_at(now);
                }
                None if self.was_wanted() => self.flush_at(now),
                None => {}
            }
            if closed {
                self.part(may_dispatch);
            }
            if !again {
                break;
            }
        }
        again
    }

    /// Ends the session of a peer that has closed, once what it has left behind has been dispatched, or cannot be.
    fn part(self: &Arc<Self>, may_dispatch: bool) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = !may_dispatch && self.session.has_dispatchable() && self.attendants.wake();
        let mut chores = Chores::default();
        if !waits && let Some(error) = turn.closed.take() {
            self.lose(&mut turn, &error, &mut chores);
        }
        drop(turn);
        chores.run();
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

    /// The end of a turn that has met something rare.
    #[cold]
    fn conclude(
        &self,
        turn: &mut Turn,
        stopped: Stopped,
        sent: Result<(), Error>,
        rare: Rare,
        chores: &mut Chores,
    ) {
        let end = match (stopped, sent) {
            (Stopped::Ended(error), _) => Some(error),
            (_, Err(error)) => {
                // What the peer had answered before its end of the link broke still counts. A link that was never made has
                // an end too, but that says less than why.
                match self.receive(turn, Receive::ToTheEnd, self.time(), 0, chores) {
                    Stopped::Ended(first) if matches!(error.code(), Code::PeerGone(_)) => Some(first),
                    _ => Some(error),
                }
            }
            _ => rare.end,
        };
        match end {
            // The peer has closed in order, and what it has left behind is still to be done.
            Some(error) if turn.leaves && self.session.has_dispatchable() => turn.closed = Some(error),
            Some(error) => self.lose(turn, &error, chores),
            None => {}
        }
        if rare.ready
            && let Some(link) = &turn.link
        {
            // With the hello has come what the kernel knows of the peer.
            turn.post = None;
            let processors = self.host.processors(link.peer().pid);
            self.room.store(processors.saturating_sub(1), Ordering::Relaxed);
            *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = link.peer();
        }
    }

    fn receive(&self, turn: &mut Turn, how: Receive, now: Time, most: usize, chores: &mut Chores) -> Stopped {
        if how != Receive::ToTheEnd && turn.paused {
            return Stopped::Paused;
        }
        let Some(link) = &mut turn.link else { return Stopped::Drained };
        let (mut frames, mut bytes, mut wanted) = (0_usize, 0_usize, false);
        let stopped = loop {
            if how != Receive::ToTheEnd && (frames >= most || bytes >= TURN_BYTES) {
                break Stopped::Budget;
            }
            match link.receive() {
                Ok(Received::Frame(frame)) => {
                    frames += 1;
                    bytes += frame.len();
                    match self.session.receive(frame, now, chores) {
                        Ok(step) => wanted |= step,
                        Err(violation) => {
                            let waiting = turn.frame.is_some();
                            break Stopped::Ended(self.accuse(&mut **link, waiting, &violation.0));
                        }
                    }
                    if let Some(rare) = chores.rare_if_any() {
                        if let (Some((object, open)), Some(server)) = (rare.open.take(), &self.server) {
                            self.session.answer_open(object, &server.open(object, open));
                            wanted = true;
                        }
                        if let Some(error) = rare.end.take() {
                            turn.leaves = true;
                            break Stopped::Ended(error);
                        }
                    }
                }
                Ok(Received::WouldBlock) => break Stopped::Drained,
                Ok(Received::Closed) => break Stopped::Ended(gone(Gone::Hup)),
                Err(fault) => break Stopped::Ended(self.fault(fault)),
            }
        };
        // A turn that leaves something behind says so to the link, by flushing it.
        let behind = matches!(stopped, Stopped::Budget);
        turn.idle = (frames > 0 || how == Receive::Glance)
            && !behind
            && !wanted
            && !turn.blocked
            && turn.frame.is_none();
        let partial = link.is_mid_frame();
        if partial || turn.partial {
            turn.partial = partial;
            self.session.note_link(now, turn.blocked, partial, false);
        }
        stopped
    }

    /// Tells the peer which rule it broke, in one attempt, and says so. Not if frames wait for the link: none may
    /// overtake another, or the link's count of accepted ones would name the wrong ones.
    fn accuse(&self, link: &mut dyn Link, waiting: bool, rule: &str) -> Error {
        let error = Error::new(Code::ProtocolViolation, Fate::Unknown, rule);
        self.session.close(&error);
        while !waiting && let Some(frame) = self.session.transmit(self.host.now()) {
            let sent = link.send(OutFrame { head: frame.head.as_slice(), body: frame.body() });
            if !matches!(sent, Ok(Sent::Taken)) {
                break;
            }
        }
        let _ = link.flush();
        Error::new(
            Code::PeerGone(Gone::Poisoned),
            Fate::Unknown,
            format!("the peer broke the protocol: {rule}"),
        )
    }

    fn send(&self, turn: &mut Turn, now: Time, chores: &mut Chores) -> Result<(), Error> {
        let Some(link) = &mut turn.link else { return Ok(()) };
        let before = link.accepted();
        let was_blocked = turn.blocked;
        let (mut blocked, mut watched, mut more) = (false, false, true);
        while more && !blocked {
            let frame = turn.frame.take().or_else(|| {
                let step = self.session.step(now, chores);
                (turn.paused, watched, more) = (step.over_budget, step.watched, step.more);
                step.frame
            });
            let Some(frame) = frame else { break };
            let out = OutFrame { head: frame.head.as_slice(), body: frame.body() };
            match link.send(out).map_err(|fault| self.fault(fault))? {
                Sent::Taken => frame.recycle(),
                Sent::WouldBlock => {
                    blocked = true;
                    turn.frame = Some(frame);
                }
            }
        }
        blocked |= link.flush().map_err(|fault| self.fault(fault))? == Sent::WouldBlock;
        turn.blocked = blocked;
        if blocked || was_blocked {
            self.session.note_link(now, blocked, turn.partial, link.accepted() > before);
        }
        if blocked != was_blocked {
            self.rouse();
        }
        if !blocked && watched && self.session.sent_all(chores) {
            chores.rare().end = Some(gone(Gone::LocalClose));
        }
        Ok(())
    }

    /// The link is gone, for this reason: everyone who waits is to be told.
    pub(super) fn lose(&self, turn: &mut Turn, error: &Error, chores: &mut Chores) {
        let accepted = turn.link.as_ref().map_or(0, |link| link.accepted());
        let taken = turn.link.as_mut().and_then(|link| link.taken());
        self.session.lose(error, Handed { accepted, taken }, chores);
        turn.link = None;
        turn.post = None;
        turn.frame = None;
        turn.blocked = false;
        self.rouse();
    }

    /// Wakes those who sleep on the link, to look again at what they wait for.
    fn rouse(&self) {
        self.attendants.wake();
        if let Some(sleeper) = &*self.sleeper.lock().unwrap_or_else(PoisonError::into_inner) {
            sleeper.unpark();
        }
    }

    fn fault(&self, fault: LinkFault) -> Error {
        let text = format!("{}: {fault}", self.url);
        match fault {
            LinkFault::Io(error) => {
                let code = match error.kind() {
                    ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::HostUnreachable => {
                        Code::Unavailable
                    }
                    ErrorKind::PermissionDenied => Code::PermissionDenied,
                    ErrorKind::OutOfMemory => Code::ResourceExhausted,
                    _ => Code::PeerGone(Gone::Reset),
                };
                Error::new(code, Fate::Unknown, text).with_source(error)
            }
            LinkFault::NotFarcall { .. } => Error::new(Code::ProtocolViolation, Fate::Unknown, text),
            LinkFault::Forked => Error::new(Code::Forked, Fate::Unknown, text),
            LinkFault::Exited(_) => Error::new(Code::PeerGone(Gone::Exited), Fate::Unknown, text),
            _ => Error::new(Code::PeerGone(Gone::Poisoned), Fate::Unknown, text),
        }
    }

    /// Serves what waits, unless somebody does already. `Some`: something was served, and so late is it now.
    pub(super) fn dispatch(self: &Arc<Self>, mut now: Time) -> Option<Time> {
        let server = self.server.as_ref()?;
        let mut request = self.session.begin_dispatch()?;
        for served in 1.. {
            now = server.dispatch(self, request, now);
            request = match self.session.next_request() {
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

    /// Whether whoever does a turn may also dispatch.
    pub(super) fn anyone_dispatches(&self) -> bool {
        self.home == Home::Anyone
    }
}

pub(super) fn gone(why: Gone) -> Error {
    Error::new(Code::PeerGone(why), Fate::Unknown, format!("the peer is gone: {why}"))
}
