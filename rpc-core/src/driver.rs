//! Policy: who does a turn and when, who sleeps where, and who wakes whom.
//!
//! A *turn* (receive until would-block or budget, hand requests to the server, flush) is a short critical section that
//! any caller may enter and that nobody holds across a sleep or a handler. No call owns the pump: whoever stops
//! doing turns leaves nothing behind that another could not go on with.
//!
//! Locks, in the order in which they may be taken: the turn, then the session. Neither is held while user code runs.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use crate::error::{Code, Error, Fate, Gone};
use crate::limits::CLOCK_TICK;
use crate::proto::{InKey, Outgoing};
use crate::session::{Chores, Outcome, Request, Session};
use crate::time::Time;
use crate::transport::{Capabilities, Link, OutFrame, Peer, Readiness};
use crate::wire::{Open, Opened};

mod attend;
mod direct;
mod doubt;
mod ending;
mod host;
mod intake;
mod look;
mod polite;
mod task;
mod turn;
mod wait;

pub use attend::{Attendance, Pumped, Worked};
pub use host::{Host, Interest, Sleeper, Wants};
pub use look::Looked;
pub use polite::{Moment, Patience, Waiting};
pub use task::{Job, Task};
pub use turn::Receive;
use turn::{Standing, Turn};
pub use wait::with_thread_waker;

/// What serves the peer's requests.
pub trait Dispatch: Send + Sync {
    /// Answers the opening of a service under a number; called in the order of arrival, within a turn, before any of its calls arrives.
    fn open(&self, object: u32, open: Open) -> Opened;

    /// Whether there is anything that the peer may call.
    fn serves(&self) -> bool {
        true
    }

    /// Serves one request. Called in the order of arrival, by one thread at a time except for callbacks inside a wait. What
    /// comes to its end at once does so in its `place`.
    fn dispatch(&self, driver: &Arc<Driver>, request: Request, place: &mut InPlace);

    /// To serve a request of this method of this service has kept the driver from everything else for `held`: long.
    fn note_hold(&self, driver: &Driver, object: u32, method: u16, held: Duration);
}

/// What one call after the other that is served in place leaves to whoever dispatches.
#[derive(Debug, Default)]
pub struct InPlace {
    /// The call and how it has ended: the verdict is still to be given.
    pub ended: Option<(InKey, Outcome)>,
    /// The driver, for the next of them.
    pub driver: Option<Arc<Driver>>,
}

/// Where requests are dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Only by attendants: the handlers belong to a runtime or to a server's thread.
    Attendants,
    /// By whoever does a turn: a client that only threads wait on.
    Anyone,
}

/// A session, its link, and those who drive them.
pub struct Driver {
    session: Session,
    turn: Mutex<Turn>,
    /// Somebody wanted a turn while another had it.
    wanted: AtomicBool,
    /// Threads that wait for the turn.
    awaiting: AtomicU32,
    /// When somebody who only polls has asked whether the peer lives; in nanoseconds.
    asked: AtomicU64,
    host: Arc<dyn Host>,
    server: Option<Arc<dyn Dispatch>>,
    home: Home,
    /// Processors of this process and its peer besides the one that a waiting thread has: 0 if they cannot run at the
    /// same time.
    room: AtomicUsize,
    doubt: doubt::Doubt,
    waiting: Waiting,
    /// The link can be looked at without a system call.
    looks_free: bool,
    /// Whoever sleeps at the link chooses what it is woken for.
    sleeps_on_descriptors: bool,
    /// The link has frames of which the peer has not been told; written by who has the turn.
    unflushed: AtomicBool,
    /// Turns in which frames came or went; written by who has the turn.
    moves: AtomicU32,
    weight: polite::Weight,
    company: polite::Company,
    attendants: attend::Attendants,
    sleeper: Mutex<Option<Arc<dyn Sleeper>>>,
    peer: Mutex<Peer>,
    capabilities: Capabilities,
    url: String,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a driver is made of.
pub struct Parts {
    /// The session, at its beginning.
    pub session: Session,
    /// Its link.
    pub link: Box<dyn Link>,
    /// What the process lends.
    pub host: Arc<dyn Host>,
    /// What serves the peer's requests.
    pub server: Option<Arc<dyn Dispatch>>,
    /// Where requests are dispatched.
    pub home: Home,
    /// How to wait.
    pub waiting: Waiting,
    /// The URL under which the link was made, for people.
    pub url: String,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Driver {
    /// Puts a driver together. Nothing is sent before the first turn.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { session, link, host, server, home, waiting, url } = parts;
        session.cut_at(link.capabilities().fragment);
        let looks_free = link.is_quiet().is_some();
        #[cfg(unix)]
        let sleeps_on_descriptors = matches!(link.readiness(), Readiness::Fd { .. });
        #[cfg(not(unix))]
        let sleeps_on_descriptors = false;
        Arc::new(Driver {
            session,
            peer: Mutex::new(link.peer()),
            capabilities: link.capabilities(),
            turn: Mutex::new(Turn::new(link)),
            wanted: AtomicBool::new(false),
            awaiting: AtomicU32::new(0),
            asked: AtomicU64::new(0),
            room: AtomicUsize::new(0),
            doubt: doubt::Doubt::default(),
            waiting,
            looks_free,
            sleeps_on_descriptors,
            unflushed: AtomicBool::new(false),
            moves: AtomicU32::new(0),
            weight: polite::Weight::default(),
            company: polite::Company::default(),
            host,
            server,
            home,
            attendants: attend::Attendants::default(),
            sleeper: Mutex::new(None),
            url,
        })
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the peer can work while this process does, so that it pays to send early.
    pub fn is_side_by_side(&self) -> bool {
        self.room.load(Ordering::Relaxed) > 0 && !self.doubt.is_confirmed()
    }

    /// What the process lends.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// The URL of the link.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the link said that it has when it was handed over.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Who is at the other end, as far as it is known by now.
    pub fn peer(&self) -> Peer {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What to wait on; `None` once the link is gone.
    pub fn interest(self: &Arc<Self>) -> Option<Interest> {
        self.look(|turn| turn.link.as_deref().map(Interest::of))
    }

    /// How things stand before a sleep, for somebody who already listens to the link.
    fn standing(self: &Arc<Self>) -> Standing {
        self.look(Turn::stand)
    }

    /// Which news of the link are wanted, after the last turn.
    pub fn wants(self: &Arc<Self>) -> Wants {
        self.look(|turn| turn.wants())
    }

    /// Looks at the turn between turns. Who wanted to flush meanwhile found it taken and went away: that is made up for.
    fn look<T>(self: &Arc<Self>, mut look: impl FnMut(&mut Turn) -> T) -> T {
        loop {
            let seen = look(&mut self.take_turn());
            if !self.was_wanted() {
                return seen;
            }
            self.flush();
        }
    }

    /// Whether somebody wanted the turn while this thread had it; that is then this thread's to do.
    ///
    /// Who finds the turn taken sets the flag and tries once more; who lets go of the turn looks at the flag afterwards. Both
    /// read and write the flag in one step, so the later of the two sees what the other has done: the flag, or a free turn.
    fn was_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::AcqRel)
    }

    /// The turn, as soon as it is free. Who has it only to look out lets go of it.
    fn take_turn(&self) -> MutexGuard<'_, Turn> {
        match self.turn.try_lock() {
            Ok(turn) => return turn,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        self.awaiting.fetch_add(1, Ordering::Relaxed);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.awaiting.fetch_sub(1, Ordering::Relaxed);
        turn
    }

    /// Whether somebody waits for the turn, or has something for whoever has it.
    fn is_in_demand(&self) -> bool {
        self.awaiting.load(Ordering::Relaxed) > 0 || self.wanted.load(Ordering::Relaxed)
    }

    /// The turn, unless another thread has it: then that one does what is wanted of it.
    fn try_turn(&self) -> Option<MutexGuard<'_, Turn>> {
        let attempt = || match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        attempt().or_else(|| {
            self.wanted.swap(true, Ordering::AcqRel);
            attempt()
        })
    }

    /// A number that changes whenever frames come or go.
    fn moves(&self) -> u32 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Frames of so many bytes have come or gone; said by who has the turn.
    fn note_move(&self, bytes: usize) {
        self.weight.add(bytes);
        self.moves.store(self.moves().wrapping_add(1), Ordering::Relaxed);
    }

    /// The time, some milliseconds late at most while nothing is due soon, for that costs less. Where calls may come that were
    /// made inside calls, what is left to them is reckoned exactly: it would add up over thousands of them.
    pub fn time(&self) -> Time {
        let lately = self.host.lately();
        let may_nest = self.session.has_outstanding() && self.server.as_ref().is_some_and(|it| it.serves());
        let is_fine = !may_nest && lately + CLOCK_TICK + CLOCK_TICK < self.session.due();
        if is_fine { lately } else { self.host.now() }
    }

    /// Sends what waits, now; if another thread is in a turn, that one does it.
    pub fn flush(self: &Arc<Self>) {
        self.flush_at(self.time());
    }

    /// The same for a caller that knows the time.
    pub fn flush_at(self: &Arc<Self>, now: Time) {
        if self.has_to_flush(now) {
            self.flush_by(now, |_| {});
        }
    }

    /// The same for one that is going to look for the answer: nobody need ring for it.
    pub fn flush_awake(self: &Arc<Self>, now: Time) {
        if self.has_to_flush(now) {
            self.flush_by(now, Turn::stay_awake);
        }
    }

    /// What the link has not taken yet it takes when it says that there is room.
    fn has_to_flush(&self, now: Time) -> bool {
        self.session.has_unsent() || self.unflushed.load(Ordering::Relaxed) || self.session.due() <= now
    }

    fn flush_by(self: &Arc<Self>, now: Time, first: impl Fn(&mut Turn)) {
        let mut chores = Chores::default();
        while let Some(mut turn) = self.try_turn() {
            first(&mut turn);
            self.run(&mut turn, Receive::No, now, 0, &mut chores);
            drop(turn);
            chores.run();
            if !self.was_wanted() {
                break;
            }
        }
    }

    /// A turn for somebody who only looks in.
    pub fn touch(self: &Arc<Self>) {
        self.turn(Receive::Yes, self.anyone_dispatches());
    }

    /// An attendant's timers are set too late: it sets them again.
    pub fn rearm(&self) {
        self.attendants.wake();
    }

    /// Sends what waits soon, together with what else is started: an attendant does it. Without one, it is sent now.
    pub fn flush_soon(self: &Arc<Self>) {
        if !self.attendants.wake() {
            self.flush();
        }
    }

    /// Ends the session from this side: says goodbye once, without waiting. Every call ends.
    pub fn close_now(self: &Arc<Self>, reason: &str) {
        let error = Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, reason);
        self.session.close(&error);
        self.flush();
        self.end(&error);
    }

    /// Ends the session for this reason.
    pub fn end(self: &Arc<Self>, error: &Error) {
        let mut turn = self.take_turn();
        // Whoever wanted to flush meanwhile found the turn taken and went away; there will be no other.
        let mut chores = Chores::default();
        if self.was_wanted() {
            self.run(&mut turn, Receive::No, self.time(), 0, &mut chores);
        }
        self.lose(&mut turn, error, &mut chores);
        drop(turn);
        chores.run();
    }
}

/// The frame as a link takes it.
#[inline(always)]
fn parts_of(frame: &Outgoing) -> OutFrame<'_> {
    OutFrame { head: frame.head.as_slice(), body: frame.body() }
}

impl Interest {
    /// What a link is waited on by, as far as it is known by now.
    fn of(link: &dyn Link) -> Self {
        Interest {
            readiness: link.readiness(),
            #[cfg(unix)]
            life: link.life(),
        }
    }

    /// What is waited on, if it is an event of this process.
    pub fn event(&self) -> Option<&Arc<crate::transport::Event>> {
        match &self.readiness {
            Readiness::Event(event) => Some(event),
            #[cfg(unix)]
            Readiness::Fd { .. } | Readiness::Bell(_) => None,
        }
    }
}
