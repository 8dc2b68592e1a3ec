//! What the process lends to a driver: a clock, sleep, and places where futures and blocking work run.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

#[cfg(unix)]
use std::os::fd::OwnedFd;

use crate::driver::{Driver, Task};
use crate::error::Error;
use crate::time::Time;
use crate::transport::Readiness;

/// What to wait on for a link.
#[derive(Clone, Debug)]
pub struct Interest {
    /// The link itself.
    pub readiness: Readiness,
    /// Readable when the peer's process has ended.
    #[cfg(unix)]
    pub life: Option<Arc<OwnedFd>>,
}

/// Which news of a link are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// That something has arrived; not while too many verdicts wait to be sent.
    pub read: bool,
    /// That there is room to send.
    pub write: bool,
}

/// Sleep on a link, for the one thread that sits at it.
pub trait Sleeper: Send + Sync {
    /// Sleeps until there is news of the link, the peer has died (`true`), `until` has come, or
    /// [`unpark`](Sleeper::unpark) was called since the last return. May return for no reason.
    ///
    /// # Errors
    /// What the system says; the caller then does without sleep and fails.
    fn park(&self, interest: &Interest, wants: Wants, until: Time) -> io::Result<bool>;

    /// Wakes whoever sleeps, or makes the next sleep short.
    fn unpark(&self);
}

/// The surroundings of a driver.
pub trait Host: Send + Sync {
    /// The monotonic clock.
    fn now(&self) -> Time;

    /// The same clock, some milliseconds late at most, where that is good enough and costs less.
    fn lately(&self) -> Time {
        self.now()
    }

    /// On how many processors this process and that one may run, together; `None`: that may be one or more.
    fn processors(&self, peer: Option<u32>) -> Option<usize>;

    /// Whether one more thread of this process may pause, `room` of them at most. If so, [`end_pause`](Host::end_pause)
    /// follows.
    fn begin_pause(&self, room: usize) -> bool;

    /// One thread less pauses.
    fn end_pause(&self);

    /// Wakes a task that is being polled, after all other tasks that are ready have had their turn.
    fn wake_later(&self, waker: &Waker) {
        waker.wake_by_ref();
    }

    /// Gives the processor to whoever is ready.
    fn give_way(&self) {
        std::thread::yield_now();
    }

    /// Runs `wait`, which blocks, where that is allowed.
    ///
    /// # Errors
    /// `MustNotBlock` where it is not; `wait` was not run.
    fn block(&self, wait: &mut dyn FnMut()) -> Result<(), Error>;

    /// A sleeper for one link.
    ///
    /// # Errors
    /// What the system says.
    fn sleeper(&self) -> io::Result<Arc<dyn Sleeper>>;

    /// Makes sure that somebody attends the driver while the current task sleeps.
    ///
    /// # Errors
    /// The thread or registration that this needs could not be had.
    fn attend(&self, driver: &Arc<Driver>) -> Result<(), Error>;

    /// Runs a handler that returned pending.
    fn spawn(&self, task: Task);

    /// Runs a handler that blocks.
    ///
    /// # Errors
    /// No thread can be had; the work is handed back unrun by being dropped.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), Error>;

    /// Tells whoever looks after the process about something that is no call's failure.
    fn report(&self, text: &str);

    /// Runs a callback's future to its end.
    ///
    /// # Errors
    /// No thread can be had.
    fn call_back(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), Error>;
}
