//! What is left to do once the session's lock is free.

use std::cell::Cell;
use std::task::Waker;

use crate::error::Error;
use crate::session::{Request, Settled};
use crate::wire::Open;

/// What a call to the session asks its caller to do once the lock is free.
#[derive(Debug, Default)]
pub struct Chores {
    /// Wake this one, and those on the list: most turns wake one.
    first: Option<Waker>,
    others: Vec<Waker>,
    rare: Option<Box<Rare>>,
    /// A request that is the only one may be handed over instead of being queued.
    pub(super) takes: bool,
    pub(super) request: Option<Request>,
    /// Whose verdict is given to who has asked for these chores.
    pub(super) token: Option<u32>,
    pub(super) settled: Option<Settled>,
    /// Of whoever waited for it: only to be dropped.
    pub(super) spent: Option<Waker>,
}

/// What comes a few times in the life of a connection.
#[derive(Debug, Default)]
pub struct Rare {
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

    /// Chores of a turn after which requests are dispatched.
    pub fn before_dispatch(dispatch: bool) -> Self {
        Chores { takes: dispatch, ..Chores::default() }
    }

    /// Chores of a caller who waits for this verdict.
    pub fn of_caller(token: u32) -> Self {
        Chores { token: Some(token), ..Chores::default() }
    }

    /// The verdict that was waited for; its slot is free.
    pub fn take_settled(&mut self) -> Option<Settled> {
        self.settled.take()
    }

    /// Whether a request was handed over, or the verdict that was waited for has come.
    #[inline]
    pub fn has_found(&self) -> bool {
        self.request.is_some() || self.settled.is_some()
    }

    /// The request that was handed over: with it comes the right to dispatch.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// Notes something rare.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What is rare, if there is something.
    pub fn rare_if_any(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// Takes it.
    pub fn take_rare(&mut self) -> Option<Box<Rare>> {
        self.rare.take()
    }

    /// Wakes whoever is to be woken; no lock may be held.
    #[inline]
    pub fn run(&mut self) {
        if self.first.is_some() || self.others.capacity() > 0 {
            self.wake_those();
        }
    }

    fn wake_those(&mut self) {
        if let Some(waker) = self.first.take() {
            waker.wake();
        }
        if self.others.capacity() > 0 {
            for waker in self.others.drain(..) {
                waker.wake();
            }
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.others)));
        }
    }
}
