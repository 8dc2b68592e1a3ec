//! One timer for all connections of a tokio runtime: a descriptor that is seldom set anew.
//!
//! A timer of the runtime's own would give every `epoll_wait` a timeout, which costs most of a microsecond at each call.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use farcall_core::Time;
use tokio::io::Interest as Direction;
use tokio::io::unix::AsyncFd;

use super::now;
use super::poll::Alarm;
use super::runtime::{Runtime, watch};

/// The timer of one runtime.
pub(super) struct Clock {
    alarm: Alarm,
    sleepers: Mutex<Sleepers>,
}

#[derive(Default)]
struct Sleepers {
    by_time: BTreeMap<(Time, u64), (Waker, Arc<AtomicBool>)>,
    last: u64,
}

/// The clocks by the place of their runtime.
static CLOCKS: Mutex<Option<HashMap<u64, Weak<Clock>>>> = Mutex::new(None);

impl Clock {
    /// The clock of this runtime, in which the caller must be.
    pub(super) fn of(runtime: &Runtime) -> io::Result<Arc<Self>> {
        let mut clocks = CLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        let clocks = clocks.get_or_insert_default();
        if let Some(clock) = clocks.get(&runtime.place()).and_then(Weak::upgrade) {
            return Ok(clock);
        }
        clocks.retain(|_, clock| clock.strong_count() > 0);
        let clock = Arc::new(Clock { alarm: Alarm::new()?, sleepers: Mutex::default() });
        let task = ClockTask {
            fd: watch(clock.alarm.shared(), Direction::READABLE)?,
            clock: Arc::downgrade(&clock),
        };
        runtime.spawn(task);
        clocks.insert(runtime.place(), Arc::downgrade(&clock));
        Ok(clock)
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.alarm.clear();
        let mut sleepers = self.lock();
        let later = sleepers.by_time.split_off(&(now() + Duration::from_nanos(1), 0));
        let due = std::mem::replace(&mut sleepers.by_time, later);
        if let Some(((next, _), _)) = sleepers.by_time.first_key_value() {
            // The only errors are wrong arguments.
            let _ = self.alarm.set(*next);
        }
        drop(sleepers);
        for (waker, fired) in due.into_values() {
            fired.store(true, Ordering::Release);
            waker.wake();
        }
    }
}

/// A place on a clock.
pub(super) struct Sleep {
    clock: Arc<Clock>,
    set: Option<(Time, u64)>,
    fired: Arc<AtomicBool>,
}

impl Sleep {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Sleep { clock, set: None, fired: Arc::default() }
    }

    /// Wakes the task at `until` or earlier. What it is set to already, if earlier, stands until it has come.
    pub(super) fn set(&mut self, until: Time, waker: &Waker) {
        if self.set.is_some_and(|(set, _)| set <= until) && !self.fired.load(Ordering::Acquire) {
            return;
        }
        let mut sleepers = self.clock.lock();
        let before = self.set.take().and_then(|set| sleepers.by_time.remove(&set));
        sleepers.last += 1;
        let set = (until, sleepers.last);
        self.fired.store(false, Ordering::Release);
        sleepers.by_time.insert(set, (waker.clone(), Arc::clone(&self.fired)));
        self.set = Some(set);
        // The only errors are wrong arguments.
        let _ = self.clock.alarm.set(until);
        drop(sleepers);
        drop(before);
    }
}

/// A pause that a task makes.
pub(crate) struct Pause {
    sleep: Sleep,
    until: Time,
}

impl Pause {
    /// From now on for this long.
    ///
    /// # Errors
    /// There is no clock to be had.
    pub(crate) fn new(runtime: &Runtime, length: Duration) -> io::Result<Self> {
        Ok(Pause { sleep: Sleep::new(Clock::of(runtime)?), until: now() + length })
    }

    /// Whether it is over; if not, the task is woken when it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if now() >= self.until {
            return Poll::Ready(());
        }
        self.sleep.set(self.until, cx.waker());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let before = self.set.take().and_then(|set| self.clock.lock().by_time.remove(&set));
        drop(before);
    }
}

/// Wakes whoever is due. Ends with the last who holds the clock.
struct ClockTask {
    fd: AsyncFd<Arc<std::os::fd::OwnedFd>>,
    clock: Weak<Clock>,
}

impl Future for ClockTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(clock) = self.clock.upgrade() else { return Poll::Ready(()) };
            match self.fd.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => {
                    clock.ring();
                    guard.clear_ready();
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // The task wakes, finds no clock, and ends.
        self.alarm.ring();
    }
}
