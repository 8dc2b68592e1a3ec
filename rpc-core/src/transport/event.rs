//! News inside this process, for those who sleep until it comes.

use std::sync::{Mutex, PoisonError};
use std::task::Waker;

/// An in-process event: whoever sleeps leaves a waker, whoever has news calls [`notify`](Event::notify).
///
/// ```
/// use farcall_core::transport::Event;
/// use std::task::Waker;
/// let event = Event::new();
/// let ticket = event.subscribe(Waker::noop().clone());
/// event.notify();
/// event.unsubscribe(ticket);
/// ```
#[derive(Debug, Default)]
pub struct Event {
    sleepers: Mutex<slab::Slab<Waker>>,
}

impl Event {
    /// An event without sleepers.
    pub fn new() -> Self {
        Event::default()
    }

    /// Wakes every sleeper. Sleepers stay subscribed.
    pub fn notify(&self) {
        let sleepers: Vec<Waker> = self.lock().iter().map(|(_, waker)| waker.clone()).collect();
        for waker in sleepers {
            waker.wake();
        }
    }

    /// Wakes `waker` at every [`notify`](Event::notify) until [`unsubscribe`](Event::unsubscribe).
    pub fn subscribe(&self, waker: Waker) -> usize {
        self.lock().insert(waker)
    }

    /// Ends a subscription. A ticket that is no longer valid is ignored.
    pub fn unsubscribe(&self, ticket: usize) {
        let gone = self.lock().try_remove(ticket);
        drop(gone);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, slab::Slab<Waker>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
