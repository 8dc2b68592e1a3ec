//! The peer's calls that wait to be dispatched, and who may dispatch them.

use std::collections::VecDeque;
use std::task::Waker;

use crate::limits::SEND_BUDGET;
use crate::proto::InKey;
use crate::session::locked::REQUESTED;
use crate::session::{Chores, Inner, Request, Session};

#[derive(Debug, Default)]
pub(super) struct Requests {
    queue: VecDeque<Request>,
    /// Bytes that the queue holds.
    bytes: usize,
    /// Somebody dispatches.
    claimed: bool,
}

impl Requests {
    /// Whether so many bytes wait that no more should come.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > SEND_BUDGET
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn pop(&mut self) -> Option<Request> {
        let request = self.queue.pop_front()?;
        self.bytes -= weight(&request);
        Some(request)
    }

    fn take(&mut self, at: usize) -> Option<Request> {
        let request = self.queue.remove(at)?;
        self.bytes -= weight(&request);
        Some(request)
    }

    pub(super) fn push(&mut self, request: Request) {
        self.bytes += weight(&request);
        self.queue.push_back(request);
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }
}

/// What a waiting request is charged: its bytes, and something for its place.
fn weight(request: &Request) -> usize {
    request.body.len() + 64
}

impl Inner {
    /// Whether a request that has come now would be the next to be dispatched.
    pub(super) fn may_hand_over(&self) -> bool {
        self.requests.queue.is_empty() && !self.is_over_budget()
    }

    /// A request that was handed over waits like others: more has come that may concern it.
    #[inline]
    pub(super) fn put_back(&mut self, chores: &mut Chores) {
        if let Some(request) = chores.request.take() {
            self.put_first(request);
        }
    }

    #[cold]
    fn put_first(&mut self, request: Request) {
        self.machine.postpone(request.key);
        self.requests.bytes += weight(&request);
        self.requests.queue.push_front(request);
        self.requests.claimed = false;
    }

    /// With a request that is handed over goes the right to dispatch; without that it waits like others.
    #[inline(always)]
    pub(super) fn claim_for(&mut self, chores: &mut Chores) {
        let Some(request) = chores.request.as_ref().filter(|_| chores.takes) else { return };
        // Later ones of the same turn are queued behind it.
        chores.takes = false;
        if !std::mem::replace(&mut self.requests.claimed, true) {
            self.machine.begin(request.key);
        } else if let Some(request) = chores.request.take() {
            self.requests.push(request);
        }
    }

    /// The next request for whoever has the right to dispatch; `None` gives the right back.
    #[inline]
    pub(super) fn go_on(&mut self) -> Option<Request> {
        let request = if self.requests.is_empty() { None } else { self.next_request() };
        self.requests.claimed = request.is_some();
        request
    }

    fn next_request(&mut self) -> Option<Request> {
        loop {
            // What the peer does not take is not made either.
            if self.is_over_budget() {
                return None;
            }
            match self.requests.pop() {
                Some(request) if !self.machine.begin(request.key) => {}
                next => return next,
            }
        }
    }
}

impl Session {
    /// A request that was handed over waits like others.
    #[inline]
    pub fn put_back(&self, chores: &mut Chores) {
        if chores.request.is_some() {
            self.lock().put_back(chores);
        }
    }

    /// Whether requests wait.
    #[inline]
    pub fn has_requests(&self) -> bool {
        self.hints.any(REQUESTED)
    }

    /// Whether requests wait that somebody may dispatch now.
    pub fn has_dispatchable(&self) -> bool {
        self.has_requests() && {
            let inner = self.lock();
            !inner.requests.claimed && !inner.requests.is_empty() && !inner.is_over_budget()
        }
    }

    /// Claims the right to dispatch, if there is something to dispatch and nobody does, and gives the first request.
    pub fn begin_dispatch(&self) -> Option<Request> {
        if !self.has_requests() {
            return None;
        }
        let mut inner = self.lock();
        if inner.requests.claimed {
            return None;
        }
        inner.go_on()
    }

    /// The next request for whoever has claimed the right; `None` gives the right back.
    pub fn next_request(&self) -> Option<Request> {
        self.lock().go_on()
    }

    /// A request waits again after it was taken; `waker` is woken when it is no longer wanted. `false`: it is not now.
    pub fn postpone(&self, key: InKey, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut inner = self.lock();
        let stands = inner.machine.postpone(key);
        let before = if stands { inner.running.watch(key, waker) } else { None };
        drop(inner);
        drop(before);
        stands
    }

    /// The handler of a request that was postponed begins; `false`: it is no longer wanted.
    pub fn begin(&self, key: InKey) -> bool {
        let mut inner = self.lock();
        let watcher = inner.running.forget(key);
        let stands = inner.machine.begin(key);
        drop(inner);
        drop(watcher);
        stands
    }

    /// A waiting request that this call of ours has caused.
    pub fn next_callback(&self, token: u32) -> Option<Request> {
        let mut inner = self.lock();
        let key = inner.waiters.key(token)?;
        let number = inner.machine.number(key)?;
        let caused = |request: &Request| request.cause == Some(number);
        loop {
            let at = inner.requests.queue.iter().position(caused)?;
            match inner.requests.take(at) {
                Some(request) if !inner.machine.begin(request.key) => {}
                next => return next,
            }
        }
    }
}
