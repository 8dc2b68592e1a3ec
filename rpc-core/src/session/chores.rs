//! What is left to do once the session's lock is free.

use std::cell::Cell;
use std::task::Waker;

use crate::error::Error;

/// What a call to the session asks its caller to do once the lock is free.
#[derive(Debug)]
pub struct Chores {
    /// Wake these.
    pub wakers: Vec<Waker>,
    /// The peer has closed, or must be given up, for this reason.
    pub end: Option<Error>,
    /// The peer has said hello.
    pub ready: bool,
}

thread_local! {
    /// An empty list of wakers, so that a turn need not make one.
    static SPARE: Cell<Vec<Waker>> = const { Cell::new(Vec::new()) };
}

impl Chores {
    /// No chores yet.
    pub fn take() -> Self {
        Chores { wakers: SPARE.try_with(Cell::take).unwrap_or_default(), end: None, ready: false }
    }

    /// Does them; no lock may be held.
    pub fn run(mut self) {
        if self.wakers.capacity() == 0 {
            return;
        }
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
        let _ = SPARE.try_with(|spare| spare.set(self.wakers));
    }
}
