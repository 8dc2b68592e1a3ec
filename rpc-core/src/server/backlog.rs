//! Calls that wait for a thread on which they may block, and leave when nobody wants them any more.
//!
//! A host cannot take work back. So it is given errands that say "run the first that waits", never more of them than calls
//! have waited at once, and a call that has left leaves nothing behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use crate::error::{Code, Error, Fate};
use crate::server::run::{Refusal, Run};

type Work = Box<dyn FnOnce(Run) + Send>;

/// The calls of one server.
#[derive(Default)]
pub(super) struct Backlog(Mutex<State>);

#[derive(Default)]
struct State {
    /// By the order in which they came.
    waiting: BTreeMap<u64, (Run, Work)>,
    last: u64,
    /// Errands that the host has and has not begun; no fewer than calls wait.
    errands: usize,
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlog").finish_non_exhaustive()
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` as soon as there is a thread, if the call is still wanted then.
    pub(super) fn add(self: &Arc<Self>, run: Run, work: Work) {
        let ticket = {
            let mut state = self.lock();
            state.last = state.last.wrapping_add(1);
            state.last
        };
        let place = Waker::from(Arc::new(Place { backlog: Arc::downgrade(self), ticket }));
        if !run.postpone(&place) {
            let error =
                Error::new(Code::Cancelled, Fate::NotExecuted, "the caller left before the handler began");
            return run.end(Err(Refusal(error)));
        }
        let (driver, stands) = (Arc::clone(run.driver()), run.standing());
        let mut state = self.lock();
        state.waiting.insert(ticket, (run, work));
        let short = state.errands < state.waiting.len();
        state.errands = state.errands.max(state.waiting.len());
        drop(state);
        // Whoever called it off before it stood here has not found it.
        if !stands() {
            drop(self.leave(ticket));
        }
        if short {
            let errand = Arc::new(Errand { backlog: Arc::clone(self), over: AtomicBool::new(false) });
            let lent = Arc::clone(&errand);
            if let Err(error) = driver.host().spawn_blocking(Box::new(move || lent.run())) {
                errand.fail(&error);
            }
        }
    }

    fn leave(&self, ticket: u64) -> Option<(Run, Work)> {
        self.lock().waiting.remove(&ticket)
    }
}

/// A call's place among those who wait.
struct Place {
    backlog: Weak<Backlog>,
    ticket: u64,
}

impl Wake for Place {
    /// The call is no longer wanted.
    fn wake(self: Arc<Self>) {
        drop(self.backlog.upgrade().and_then(|backlog| backlog.leave(self.ticket)));
    }
}

/// A thread is to come for the first call that waits. Counted until it comes or it is known that it does not.
struct Errand {
    backlog: Arc<Backlog>,
    over: AtomicBool,
}

impl Errand {
    fn run(&self) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.backlog.lock();
        state.errands = state.errands.saturating_sub(1);
        let first = state.waiting.pop_first();
        drop(state);
        if let Some((_, (run, work))) = first
            && run.begin()
        {
            work(run);
        }
    }

    /// No thread comes: the call that came last does without, unless there are errands enough for all.
    fn fail(&self, error: &Error) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.backlog.lock();
        state.errands = state.errands.saturating_sub(1);
        let last = if state.waiting.len() > state.errands { state.waiting.pop_last() } else { None };
        drop(state);
        if let Some((_, (run, _))) = last {
            let driver = Arc::clone(run.driver());
            run.end(Err(Refusal(error.with_fate(Fate::NotExecuted))));
            driver.flush_soon();
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let text = "the server has no threads any more";
        self.fail(&Error::new(Code::Draining, Fate::NotExecuted, text));
    }
}
