//! Which of the waiting threads sits at the link, and who follows when it stands up.

use std::task::Waker;

use crate::session::Session;
use crate::session::locked::SEATED;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) struct Bench {
    seated: bool,
    waiting: Vec<(u64, Waker)>,
}

impl Bench {
    pub(super) fn is_seated(&self) -> bool {
        self.seated
    }
}

/// Whether a thread may sit at the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// It sits: it sleeps on the link and does the turns.
    Taken {
        /// When the first turn is due at the latest.
        due: Option<Time>,
        /// The peer has said hello, so that all is known of the link.
        ready: bool,
    },
    /// Somebody else sits: it sleeps on its slot.
    Occupied,
}

impl Session {
    /// Asks for the seat. A thread that does not get it is on the bench until [`leave_bench`](Self::leave_bench).
    pub fn sit(&self, thread: u64, waker: &Waker) -> Seat {
        let mut inner = self.lock();
        if !inner.bench.seated {
            inner.bench.seated = true;
            inner.armed = inner.machine.poll_timeout();
            return Seat::Taken { due: inner.armed, ready: inner.machine.is_ready() };
        }
        drop(inner);
        let waker = waker.clone();
        let mut inner = self.lock();
        let bench = &mut inner.bench;
        if !bench.seated {
            // The seat has become free meanwhile: the thread looks again at once.
            drop(inner);
            return self.sit(thread, &waker);
        }
        if !bench.waiting.iter().any(|(id, _)| *id == thread) {
            bench.waiting.push((thread, waker));
        }
        Seat::Occupied
    }

    /// Whether a thread sits at the link, and so may sleep there.
    pub fn is_seated(&self) -> bool {
        self.hints.any(SEATED)
    }

    /// Gives the seat up; the returned successor must be woken.
    pub fn stand_up(&self) -> Option<Waker> {
        let mut inner = self.lock();
        inner.bench.seated = false;
        inner.bench.waiting.pop().map(|(_, waker)| waker)
    }

    /// A thread no longer waits; if it had been chosen as successor meanwhile, the next one must be woken.
    pub fn leave_bench(&self, thread: u64) -> Option<Waker> {
        let mut inner = self.lock();
        let bench = &mut inner.bench;
        let before = bench.waiting.len();
        let mut gone = Vec::new();
        let (stay, leave) = std::mem::take(&mut bench.waiting).into_iter().partition(|(id, _)| *id != thread);
        bench.waiting = stay;
        gone.extend::<Vec<_>>(leave);
        let chosen = bench.waiting.len() == before && !bench.seated;
        let next = if chosen { bench.waiting.pop().map(|(_, waker)| waker) } else { None };
        drop(inner);
        drop(gone);
        next
    }
}
