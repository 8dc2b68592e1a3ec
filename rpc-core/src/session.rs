//! One protocol machine and those who wait for it, behind the only lock.
//!
//! Under this lock runs no user code: wakers are cloned, woken and dropped outside, values are encoded and decoded
//! outside, handlers run outside.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use crate::error::Error;
use crate::proto::{Handed, InKey, Machine, Outgoing, Stage};
use crate::time::Time;

mod absorb;
mod arrival;
mod bench;
mod chores;
mod incoming;
mod locked;
mod openings;
mod pulse;
mod requests;
mod running;
mod waiters;

pub use arrival::Hold;
use bench::Bench;
pub use bench::Seat;
pub use chores::{Chores, Rare};
pub use incoming::{Outcome, Request};
use locked::Hints;
use requests::Requests;
use running::Running;
use waiters::Waiters;
pub use waiters::{Caller, Departure, Settled, Started};

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

    /// Calls that are outstanding.
    pub fn outstanding(&self) -> usize {
        self.lock().machine.outstanding()
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
        inner.end(key, outcome, None::<fn(&mut Outgoing) -> bool>);
        drop(inner);
        drop(watcher);
    }

    /// The same for whoever has the right to dispatch, with the [next request](Self::next_request). The verdict's frame goes to
    /// `send`, if nothing is in front of it, which says whether it took it: while the session is locked.
    #[inline(always)]
    pub fn finish_and_next(
        &self,
        key: InKey,
        outcome: Outcome,
        send: Option<impl FnOnce(&mut Outgoing) -> bool>,
    ) -> Option<Request> {
        let mut inner = self.lock();
        inner.end(key, outcome, send);
        let watcher = inner.running.forget(key);
        let next = inner.go_on();
        drop(inner);
        drop(watcher);
        next
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

impl Inner {
    #[inline(always)]
    fn end(&mut self, key: InKey, outcome: Outcome, send: Option<impl FnOnce(&mut Outgoing) -> bool>) {
        // Who waits until all is sent is told by a step.
        let is_watched = !self.watchers.is_empty() || self.machine.is_closing();
        match (outcome, send.filter(|_| !is_watched)) {
            (Outcome::Value(buf), Some(send)) => self.reply_now(key, false, buf, send),
            (Outcome::Failed(buf), Some(send)) => self.reply_now(key, true, buf, send),
            (Outcome::Value(buf), None) => self.machine.reply(key, false, buf),
            (Outcome::Failed(buf), None) => self.machine.reply(key, true, buf),
            (Outcome::Bytes { failed, front, bytes }, _) => {
                self.machine.reply_bytes(key, failed, front, bytes);
            }
            (Outcome::Refused(error), _) => self.machine.refuse(key, &error),
            (Outcome::Stopped, _) => self.machine.stopped(key),
        }
    }

    #[inline(always)]
    fn reply_now(
        &mut self,
        key: InKey,
        failed: bool,
        mut buf: Vec<u8>,
        send: impl FnOnce(&mut Outgoing) -> bool,
    ) {
        let mut frame = Outgoing::EMPTY;
        if self.machine.reply_at_once(key, failed, &mut buf, &mut frame) {
            if send(&mut frame) {
                return self.machine.note_replied(key);
            }
            buf = frame.take_message();
        }
        self.machine.reply(key, failed, buf);
    }
}
