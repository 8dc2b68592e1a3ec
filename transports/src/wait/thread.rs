//! A named thread that attends many connections and runs the handlers that belong to it.

use std::io;
use std::sync::{Arc, Weak};

use super::errands::{Errand, Lifetime, Shared};
use super::reactor::Loop;

/// A handle of the thread; clones are the same one.
#[derive(Clone)]
pub(crate) struct Reactor(Arc<Shared>);

impl Reactor {
    /// Starts the thread with its first errand.
    ///
    /// # Errors
    /// What the system says: descriptors or threads have run out.
    pub(crate) fn start(name: String, lifetime: Lifetime, first: Errand) -> io::Result<Self> {
        let shared = Shared::new(first)?;
        let mut run = Loop::new(Arc::clone(&shared), lifetime)?;
        let thread = std::thread::Builder::new().name(name).spawn(move || run.run())?;
        shared.settle(thread.thread().id());
        Ok(Reactor(shared))
    }

    /// Whether the current thread is this one.
    pub(crate) fn is_here(&self) -> bool {
        self.0.is_here()
    }

    /// Where its attendants live.
    pub(crate) fn place(&self) -> u64 {
        self.0.place()
    }

    /// Asks for something; the errand comes back if the thread has ended.
    pub(crate) fn give(&self, errand: Errand) -> Result<(), Errand> {
        self.0.give(errand)
    }
}

/// A reactor that others keep, or its own thread as long as it runs.
pub(super) struct Acquaintance(Weak<Shared>);

impl Acquaintance {
    /// Remembers it.
    pub(super) fn of(reactor: &Reactor) -> Self {
        Acquaintance(Arc::downgrade(&reactor.0))
    }

    /// The reactor, unless it is gone.
    pub(super) fn meet(&self) -> Option<Reactor> {
        self.0.upgrade().map(Reactor)
    }
}
