//! What the process lends to a driver: the clock, sleep in `poll(2)`, runtimes and threads.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "tokio")]
use std::task::Waker;

use farcall_core::driver::{Driver, Host, Sleeper, Task};
use farcall_core::{Error, Time};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity};

mod aside;
#[cfg(feature = "tokio")]
mod clock;
mod errands;
mod helper;
mod poll;
mod reactor;
#[cfg(feature = "tokio")]
mod runtime;
mod thread;
#[cfg(feature = "tokio")]
mod tokio;
mod workers;

pub(crate) use aside::unblock;
#[cfg(feature = "tokio")]
pub(crate) use clock::Pause;
pub(crate) use errands::{Arrivals, Errand, Lifetime};
#[cfg(feature = "shm")]
pub(crate) use poll::Alarm;
#[cfg(feature = "tokio")]
pub(crate) use runtime::Runtime;
pub(crate) use thread::Reactor;
#[cfg(feature = "tokio")]
pub(crate) use tokio::ListenerWatch;
pub(crate) use workers::Workers;

pub(crate) use crate::sys::clock::now;

/// Runs `wait`, which blocks, where that is allowed.
///
/// # Errors
/// `MustNotBlock` where it is not; else its own.
pub(crate) fn blocking<T>(wait: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let (mut wait, mut result) = (Some(wait), None);
    block(&mut || result = wait.take().map(|wait| wait()))?;
    result.expect("what may block is run")
}

fn block(wait: &mut dyn FnMut()) -> Result<(), Error> {
    #[cfg(feature = "tokio")]
    return tokio::block(wait);
    #[cfg(not(feature = "tokio"))]
    {
        wait();
        Ok(())
    }
}

/// Where the handlers of a driver live.
pub(crate) enum Home {
    /// On this runtime.
    #[cfg(feature = "tokio")]
    Runtime(Runtime),
    /// On a server's thread, with threads for those that block.
    Reactor(Reactor, Arc<Workers>),
    /// Nowhere of its own: a client that only threads wait on. What it serves goes to the helper thread.
    Client(Arc<Workers>),
}

/// Threads of this process that pause just now.
static PAUSING: AtomicUsize = AtomicUsize::new(0);

/// The surroundings of a driver in this process.
pub(crate) struct Local {
    home: Home,
}

impl Local {
    pub(crate) fn host(home: Home) -> Arc<dyn Host> {
        Arc::new(Local { home })
    }
}

impl Host for Local {
    fn now(&self) -> Time {
        now()
    }

    fn lately(&self) -> Time {
        crate::sys::clock::lately()
    }

    fn processors(&self, peer: Option<u32>) -> Option<usize> {
        let allowed = |process| sched_getaffinity(process).ok();
        let ours = allowed(None)?;
        let theirs =
            peer.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).and_then(|pid| allowed(Some(pid)));
        let is_theirs = |cpu| theirs.is_some_and(|theirs| theirs.is_set(cpu));
        let together = (0..CpuSet::MAX_CPU).filter(|cpu| ours.is_set(*cpu) || is_theirs(*cpu)).count();
        (theirs.is_some() || together > 1).then_some(together)
    }

    fn begin_pause(&self, room: usize) -> bool {
        let among = PAUSING.fetch_add(1, Ordering::Relaxed) < room;
        if !among {
            PAUSING.fetch_sub(1, Ordering::Relaxed);
        }
        among
    }

    fn end_pause(&self) {
        PAUSING.fetch_sub(1, Ordering::Relaxed);
    }

    #[cfg(feature = "tokio")]
    fn wake_later(&self, waker: &Waker) {
        tokio::wake_later(waker);
    }

    fn block(&self, wait: &mut dyn FnMut()) -> Result<(), Error> {
        block(wait)
    }

    fn sleeper(&self) -> io::Result<Arc<dyn Sleeper>> {
        Ok(Arc::new(poll::PollSleeper::new()?))
    }

    fn attend(&self, driver: &Arc<Driver>) -> Result<(), Error> {
        #[cfg(feature = "tokio")]
        if let Some(runtime) = Runtime::current() {
            return runtime.attend(driver);
        }
        match &self.home {
            Home::Reactor(reactor, _) if driver.is_attended_at(reactor.place()) => Ok(()),
            _ => helper::attend(driver),
        }
    }

    fn spawn(&self, task: Task) {
        match &self.home {
            #[cfg(feature = "tokio")]
            Home::Runtime(runtime) => runtime.spawn(task),
            // A task that nobody takes is dropped, which ends its call with a verdict.
            Home::Reactor(reactor, _) => drop(reactor.give(Errand::Handler(task))),
            Home::Client(_) => {
                if let Err(error) = helper::spawn(task) {
                    self.report(&format!("a handler was dropped: {error}"));
                }
            }
        }
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), Error> {
        match &self.home {
            #[cfg(feature = "tokio")]
            Home::Runtime(runtime) => {
                runtime.spawn_blocking(work);
                Ok(())
            }
            Home::Reactor(_, workers) | Home::Client(workers) => workers.run(work),
        }
    }

    fn report(&self, text: &str) {
        tracing::warn!(target: "farcall", "{text}");
    }

    fn call_back(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), Error> {
        helper::call_back(future)
    }
}
