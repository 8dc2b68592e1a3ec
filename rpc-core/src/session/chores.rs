//! What is left to do once the session's lock is free.

use std::cell::Cell;
use std::task::Waker;

use crate::error::Error;
use crate::wire::Open;

/// What a call to the session asks its caller to do once the lock is free.
#[derive(Debug, Default)]
pub struct Chores {
    /// Wake this one, and those on the list: most turns wake one.
    first: Option<Waker>,
    others: Vec<Waker>,
    /// The peer has closed, or must be given up, for this reason.
    pub end: Option<Error>,
    /// The peer has said hello.
    pub ready: bool,
    /// The peer opens a service under this number; answer before anything else is received.
    pub open: Option<(u32, Open)>,
}

thread_local! {
    /// An empty list of wakers, so that a turn need not make one.
    static SPARE: Cell<Vec<Waker>> = const { Cell::new(Vec::new()) };
}

impl Chores {
    /// Wakes this one when the lock is free.
    pub fn wake(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
            return;
        }
        if self.others.capacity() == 0 {
            self.others = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        self.others.push(waker);
    }

    /// Wakes all of these when the lock is free.
    pub fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.others.append(wakers);
    }

    /// Does them; no lock may be held.
    pub fn run(mut self) {
        if let Some(waker) = self.first.take() {
            waker.wake();
        }
        if self.others.capacity() == 0 {
            return;
        }
        for waker in self.others.drain(..) {
            waker.wake();
        }
        let _ = SPARE.try_with(|spare| spare.set(self.others));
    }
}
