//! One protocol machine and those who wait for it, behind the only lock.
//!
//! Under this lock runs no user code: wakers are cloned, woken and dropped outside, values are encoded and decoded
//! outside, handlers run outside.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Waker;

use crate::error::Error;
use crate::proto::{Handed, InKey, Machine, Outgoing, Stage};
use crate::time::Time;

mod absorb;
mod arrival;
mod bench;
mod chores;
mod incoming;
mod openings;
mod requests;
mod running;
mod waiters;

use bench::Bench;
pub use bench::Seat;
pub use chores::{Chores, Rare};
pub use incoming::{Outcome, Request};
use requests::Requests;
use running::Running;
use waiters::Waiters;
pub use waiters::{CallParts, Departure, Settled, Started};

/// How often a thread gives the processor away to who holds the lock before it goes to sleep for it. Threads that sleep
/// for a lock are woken one after the other; on a busy machine each waits its turn for a processor with all the others
/// behind it, so that a hundred that were woken together would come home one by one.
const PATIENCE: u32 = 64;

/// How things stand after a [`Session::step`].
#[derive(Debug)]
pub struct Step {
    /// There is more.
    pub more: bool,
    /// So many bytes of answers wait that nothing more may be read.
    pub over_budget: bool,
    /// Somebody waits for [`Session::sent_all`].
    pub watched: bool,
}

/// What is likely to come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Verdicts of calls that were made from here.
    Verdicts,
    /// More of the peer's calls.
    Requests,
    /// Nothing in particular.
    Nothing,
}

/// A connection's state, shared by everyone who uses it.
#[derive(Debug)]
pub struct Session {
    inner: Mutex<Inner>,
    hints: Hints,
}

/// What was true when the lock was last let go, for those who need not know better than that.
#[derive(Debug, Default)]
struct Hints {
    /// Requests wait.
    requested: AtomicBool,
    /// Frames wait to be taken.
    unsent: AtomicBool,
    /// A thread sits at the link.
    seated: AtomicBool,
    /// Calls are outstanding.
    outstanding: AtomicBool,
    /// Somebody waits for something that is no verdict.
    watched: AtomicBool,
    /// Nothing is due before this; in nanoseconds.
    due: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    waiters: Waiters,
    running: Running,
    requests: Requests,
    bench: Bench,
    /// Those who wait for the hello or for an empty outbox.
    watchers: Vec<Waker>,
    /// Those who wait for the end.
    mourners: Vec<Waker>,
    ended: Option<Error>,
    /// What the attendants have set their timers to.
    armed: Option<Time>,
    /// The last that came was a request.
    asked: bool,
}

impl Inner {
    fn is_watched(&self) -> bool {
        !self.watchers.is_empty() || !self.mourners.is_empty()
    }
}

/// The session while it is locked.
struct Locked<'a> {
    inner: MutexGuard<'a, Inner>,
    hints: &'a Hints,
}

impl Deref for Locked<'_> {
    type Target = Inner;

    #[inline]
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        let due = self.inner.machine.due();
        self.hints.due.store(due.as_nanos(), Ordering::Relaxed);
        self.hints.requested.store(!self.inner.requests.is_empty(), Ordering::Release);
        self.hints.unsent.store(!self.inner.machine.is_flushed(), Ordering::Release);
        self.hints.seated.store(self.inner.bench.is_seated(), Ordering::Release);
        self.hints.outstanding.store(self.inner.machine.outstanding() > 0, Ordering::Release);
        self.hints.watched.store(self.inner.is_watched(), Ordering::Release);
    }
}

impl Session {
    /// A session at its beginning.
    pub fn new(machine: Machine) -> Self {
        Session {
            inner: Mutex::new(Inner {
                machine,
                waiters: Waiters::default(),
                running: Running::default(),
                requests: Requests::default(),
                bench: Bench::default(),
                watchers: Vec::new(),
                mourners: Vec::new(),
                ended: None,
                armed: None,
                asked: false,
            }),
            hints: Hints::default(),
        }
    }

    #[inline]
    fn lock(&self) -> Locked<'_> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => self.lock_slowly(),
        };
        Locked { inner, hints: &self.hints }
    }

    #[cold]
    fn lock_slowly(&self) -> MutexGuard<'_, Inner> {
        for _ in 0..PATIENCE {
            std::thread::yield_now();
            match self.inner.try_lock() {
                Ok(inner) => return inner,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Machine::cut_at`].
    pub fn cut_at(&self, fragment: usize) {
        self.lock().machine.cut_at(fragment);
    }

    /// Time has passed, and frames are taken to be sent: about `budget` bytes.
    ///
    /// Many at once: a lock that is taken right after something was written for another processor waits for that.
    pub fn step(
        &self,
        now: Time,
        budget: usize,
        frames: &mut VecDeque<Outgoing>,
        chores: &mut Chores,
    ) -> Step {
        let mut inner = self.lock();
        if inner.machine.poll_timeout().is_some_and(|due| due <= now) {
            inner.machine.handle_timeout(now);
            inner.absorb_events(chores);
        }
        let mut bytes = 0;
        while bytes < budget
            && let Some(frame) = inner.machine.poll_transmit(now)
        {
            bytes += frame.head.as_slice().len() + frame.body().len();
            frames.push_back(frame);
        }
        Step {
            more: !inner.machine.is_flushed(),
            over_budget: inner.must_pause(),
            watched: !inner.watchers.is_empty() || inner.machine.is_closing(),
        }
    }

    /// Takes a frame to be sent.
    pub fn transmit(&self, now: Time) -> Option<Outgoing> {
        self.lock().machine.poll_transmit(now)
    }

    /// How the link stands after a turn.
    pub fn note_link(&self, now: Time, blocked: bool, partial: bool, sent: bool) {
        let mut inner = self.lock();
        inner.machine.note_link(now, blocked, partial);
        if sent {
            inner.machine.note_sent(now);
        }
    }

    /// Whether one call is outstanding.
    pub fn is_alone(&self) -> bool {
        self.lock().machine.outstanding() == 1
    }

    /// What is likely to come next, now that something has come.
    pub fn expected(&self) -> Expected {
        let inner = self.lock();
        match (inner.machine.outstanding(), inner.asked) {
            // A lone call is looked for by its caller.
            (2.., _) => Expected::Verdicts,
            (_, true) => Expected::Requests,
            (_, false) => Expected::Nothing,
        }
    }

    /// Nothing is due before this.
    #[inline]
    pub fn due(&self) -> Time {
        Time::from_nanos(self.hints.due.load(Ordering::Relaxed))
    }

    /// Whether somebody waits for something that the peer will send.
    #[inline]
    pub fn awaits_news(&self) -> bool {
        self.has_outstanding() || self.hints.watched.load(Ordering::Acquire)
    }

    /// Whether calls are outstanding.
    #[inline]
    pub fn has_outstanding(&self) -> bool {
        self.hints.outstanding.load(Ordering::Acquire)
    }

    /// Whether frames wait to be taken, so far as this thread has made them wait: what another thread adds is its to send.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.hints.unsent.load(Ordering::Acquire)
    }

    /// When [`step`](Self::step) is due; an attendant calls this before it sleeps, and is woken if it becomes earlier.
    pub fn arm(&self) -> Option<Time> {
        self.arm_or_end().0
    }

    /// The same, and whether the session has ended.
    pub fn arm_or_end(&self) -> (Option<Time>, bool) {
        let mut inner = self.lock();
        inner.armed = inner.machine.poll_timeout();
        (inner.armed, inner.ended.is_some())
    }

    /// Whether nothing waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.lock().machine.is_flushed()
    }

    /// The link has taken everything that it was given. Wakes those who wait for that; `true`: goodbye was part of it.
    pub fn sent_all(&self, chores: &mut Chores) -> bool {
        let mut inner = self.lock();
        let flushed = inner.machine.is_flushed();
        if flushed && !inner.watchers.is_empty() {
            chores.wake_all(&mut inner.watchers);
        }
        flushed && inner.machine.is_closing()
    }

    /// `Some` once no call of the peer is without a verdict and all verdicts have been handed to the link, or the session
    /// has ended.
    pub fn drained(&self, waker: &Waker) -> Option<()> {
        let waker = waker.clone();
        let mut inner = self.lock();
        if inner.ended.is_some() || (inner.machine.serving() == 0 && inner.machine.is_flushed()) {
            return Some(());
        }
        inner.watchers.push(waker);
        None
    }

    /// Calls of the peer that have no verdict.
    pub fn serving(&self) -> usize {
        self.lock().machine.serving()
    }

    /// The codec's name; final once the peer has said hello.
    pub fn codec(&self) -> String {
        self.lock().machine.codec().to_owned()
    }

    /// Takes no new calls from the peer.
    pub fn drain(&self) {
        self.lock().machine.drain();
    }

    /// Says goodbye.
    pub fn close(&self, error: &Error) {
        self.lock().machine.close(error);
    }

    /// The link is gone: every call ends. Later calls find the session ended.
    pub fn lose(&self, error: &Error, handed: Handed, chores: &mut Chores) {
        let mut inner = self.lock();
        if inner.ended.is_none() {
            inner.ended = Some(error.clone());
            inner.machine.handle_link_lost(error, handed);
            inner.absorb_events(chores);
            inner.requests.clear();
            chores.wake_all(&mut inner.watchers);
            chores.wake_all(&mut inner.mourners);
        }
    }

    /// Why the session has ended, if it has.
    pub fn ended(&self) -> Option<Error> {
        self.lock().ended.clone()
    }

    /// Whether the peer has said hello.
    pub fn is_ready(&self) -> bool {
        self.lock().machine.is_ready()
    }

    /// Ready for calls (`Some(Ok)`), ended (`Some(Err)`), or neither yet: then `waker` is woken.
    pub fn ready(&self, waker: &Waker) -> Option<Result<(), Error>> {
        let waker = waker.clone();
        let mut inner = self.lock();
        if let Some(error) = &inner.ended {
            return Some(Err(error.clone()));
        }
        if inner.machine.is_ready() {
            return Some(Ok(()));
        }
        inner.watchers.push(waker);
        None
    }

    /// `Some` once everything has been handed to the link and no detached call is without a verdict (then goodbye can be
    /// said), or the session has ended.
    pub fn flushed(&self, waker: &Waker) -> Option<()> {
        let waker = waker.clone();
        let mut inner = self.lock();
        if inner.ended.is_some() || (inner.machine.is_flushed() && !inner.machine.has_detached()) {
            return Some(());
        }
        inner.watchers.push(waker);
        None
    }

    /// `Some` once the session has ended.
    pub fn over(&self, waker: &Waker) -> Option<Error> {
        let waker = waker.clone();
        let mut inner = self.lock();
        if inner.ended.is_none() {
            inner.mourners.push(waker);
        }
        inner.ended.clone()
    }

    /// Ends all handlers that still run, as a shutdown does when its grace is over.
    pub fn stop_running(&self, chores: &mut Chores) {
        let mut inner = self.lock();
        inner.machine.stop_running();
        inner.absorb_events(chores);
    }

    /// A handler has come to its end.
    pub fn finish(&self, key: InKey, outcome: Outcome) {
        let mut inner = self.lock();
        let watcher = inner.running.forget(key);
        match outcome {
            Outcome::Value(buf) => inner.machine.reply(key, false, buf),
            Outcome::Failed(buf) => inner.machine.reply(key, true, buf),
            Outcome::Bytes { failed, front, bytes } => inner.machine.reply_bytes(key, failed, front, bytes),
            Outcome::Refused(error) => inner.machine.refuse(key, &error),
            Outcome::Stopped => inner.machine.stopped(key),
        }
        drop(inner);
        drop(watcher);
    }

    /// The same for a handler after which no other is about to run: its verdict is given, to be sent now, if nothing is in
    /// front of it.
    pub fn finish_now(&self, key: InKey, outcome: Outcome) -> Option<Outgoing> {
        let mut inner = self.lock();
        let is_watched = !inner.watchers.is_empty() || inner.machine.is_closing();
        let (failed, buf) = match outcome {
            Outcome::Value(buf) if !is_watched => (false, buf),
            Outcome::Failed(buf) if !is_watched => (true, buf),
            other => {
                drop(inner);
                self.finish(key, other);
                return None;
            }
        };
        let watcher = inner.running.forget(key);
        let frame = inner.machine.reply_now(key, failed, buf);
        drop(inner);
        drop(watcher);
        frame
    }

    /// How far a call to be served has come; `None` after its verdict.
    pub fn stage(&self, key: InKey) -> Option<Stage> {
        self.lock().machine.stage(key)
    }

    /// The same, and `waker` is woken when the handler should stop.
    pub fn watch(&self, key: InKey, waker: &Waker) -> Option<Stage> {
        let waker = waker.clone();
        let mut inner = self.lock();
        let stage = inner.machine.stage(key);
        let before = inner.running.watch(key, waker);
        drop(inner);
        drop(before);
        stage
    }
}
