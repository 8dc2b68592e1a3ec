//! tokio: one task per connection and runtime attends it; where a thread may block; who watches a listener.

use std::collections::HashMap;
use std::future::Future;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use farcall_core::driver::{Attendance, Driver, Interest, Moment, Patience, Pumped, Wants, Worked};
use farcall_core::transport::Readiness;
use farcall_core::{Code, Error, Fate};
use tokio::io::Interest as Direction;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, RuntimeFlavor};

mod listener;

pub(crate) use listener::ListenerWatch;

use super::clock::{Clock, Sleep};
use super::runtime::{Fd, Runtime, watch};

impl Runtime {
    /// Makes sure that a task of this runtime attends the driver. Must be called inside the runtime.
    pub(crate) fn attend(&self, driver: &Arc<Driver>) -> Result<(), Error> {
        let place = self.place();
        if driver.is_attended_at(place) {
            return Ok(());
        }
        let Some(interest) = driver.interest() else { return Ok(()) };
        let refused = |error: std::io::Error| {
            let text = format!("the runtime cannot wait on the connection: {error}");
            Error::new(Code::ResourceExhausted, Fate::Unknown, text).with_source(error)
        };
        let fds = Fds::new(&interest).map_err(refused)?;
        let sleep = Sleep::new(Clock::of(self).map_err(refused)?);
        // The first poll of the task brings the waker that stays.
        let mut attendance = driver.attend(place, Waker::noop().clone());
        if self.has_one_thread() {
            attendance = attendance.beside_tasks();
        }
        let task = ConnectionTask {
            attendance,
            interest,
            fds,
            place,
            ticket: None,
            life: None,
            sleep,
            patience: None,
            unaccompanied: false,
            settled: false,
        };
        self.spawn(task);
        Ok(())
    }
}

/// Runs `wait`, which blocks, if this thread may block.
pub(super) fn block(wait: &mut dyn FnMut()) -> Result<(), Error> {
    match Handle::try_current() {
        Err(_) => wait(),
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            let mut may_block = false;
            let waited = catch_unwind(AssertUnwindSafe(|| {
                tokio::task::block_in_place(|| {
                    may_block = true;
                    wait();
                });
            }));
            match waited {
                Ok(()) => {}
                // A panic is how tokio says that this is a `LocalSet`.
                Err(_) if !may_block => return Err(must_not_block("a `LocalSet`")),
                Err(panic) => resume_unwind(panic),
            }
        }
        Ok(_) if is_driving() => {
            return Err(must_not_block("a current-thread runtime"));
        }
        Ok(_) => wait(),
    }
    Ok(())
}

/// Wakes a task that is being polled after all others that are ready, those among them that have yielded.
pub(super) fn wake_later(waker: &Waker) {
    let yielded = pin!(tokio::task::yield_now());
    // Its first poll leaves the waker with the runtime, or wakes it where there is none.
    let _ = yielded.poll(&mut Context::from_waker(waker));
}

fn must_not_block(place: &str) -> Error {
    let text = format!("`.wait()` would stand still inside {place}; use `.await` here");
    Error::new(Code::MustNotBlock, Fate::NotSent, text)
}

/// Whether this thread is polling a runtime's task, as opposed to a thread of `spawn_blocking` or one that has merely
/// entered the runtime: only tasks run on a budget of cooperation. The budget taken to find out is given back.
fn is_driving() -> bool {
    /// More than any task's budget.
    const ENOUGH: usize = 256;
    let mut taken = Vec::with_capacity(ENOUGH);
    let mut cx = Context::from_waker(Waker::noop());
    let driving = (0..ENOUGH).any(|_| match tokio::task::coop::poll_proceed(&mut cx) {
        Poll::Ready(restore) => {
            taken.push(restore);
            false
        }
        Poll::Pending => true,
    });
    while taken.pop().is_some() {}
    driving
}

/// The link's descriptors as the runtime watches them.
enum Fds {
    Both(AsyncFd<Fd>),
    Two {
        read: AsyncFd<Fd>,
        write: AsyncFd<Fd>,
    },
    /// Rung for every kind of news.
    Bell(AsyncFd<Fd>),
    Event,
}

impl Fds {
    fn new(interest: &Interest) -> std::io::Result<Self> {
        let (read, write) = match &interest.readiness {
            Readiness::Fd { read, write } => (read, write),
            Readiness::Bell(bell) => return Ok(Fds::Bell(watch(bell, Direction::READABLE)?)),
            Readiness::Event(_) => return Ok(Fds::Event),
        };
        if Arc::ptr_eq(read, write) {
            return Ok(Fds::Both(watch(read, Direction::READABLE | Direction::WRITABLE)?));
        }
        Ok(Fds::Two { read: watch(read, Direction::READABLE)?, write: watch(write, Direction::WRITABLE)? })
    }

    fn reader(&self) -> Option<&AsyncFd<Fd>> {
        match self {
            Fds::Both(fd) | Fds::Two { read: fd, .. } | Fds::Bell(fd) => Some(fd),
            Fds::Event => None,
        }
    }

    fn writer(&self) -> Option<&AsyncFd<Fd>> {
        match self {
            Fds::Both(fd) | Fds::Two { write: fd, .. } => Some(fd),
            Fds::Bell(_) | Fds::Event => None,
        }
    }
}

/// So often one poll may find something before others are polled.
const FINDS: u32 = 4;

/// So many rows of looks one poll may take in vain, also if it never sleeps.
const LOOKS: u32 = 16;

/// Watches one connection on one runtime. If the runtime ends, its drop wakes everyone who waits.
struct ConnectionTask {
    interest: Interest,
    fds: Fds,
    place: u64,
    /// The subscription to an in-process event, and the waker that it holds.
    ticket: Option<(usize, Waker)>,
    life: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    sleep: Sleep,
    /// What is left of it while the task looks again.
    patience: Option<Patience>,
    /// The task has left the processor to others just now, and nobody else was polled.
    unaccompanied: bool,
    /// The peer's pidfd, if any, is known: from the beginning, or since it has said hello.
    settled: bool,
    /// Dropped after what holds descriptors.
    attendance: Attendance,
}

impl ConnectionTask {
    fn subscribe(&mut self, waker: &Waker) {
        let Some(event) = self.interest.event() else { return };
        if self.ticket.as_ref().is_some_and(|(_, known)| known.will_wake(waker)) {
            return;
        }
        let ticket = event.subscribe(waker.clone());
        if let Some((before, _)) = self.ticket.replace((ticket, waker.clone())) {
            event.unsubscribe(before);
        }
    }

    /// Whether the peer's process has ended.
    fn poll_life(&mut self, cx: &mut Context<'_>) -> bool {
        let is_known = || self.interest.life.is_some() || self.attendance.driver().session().is_ready();
        if !self.settled && is_known() {
            self.settled = true;
            let life = self.attendance.driver().interest().and_then(|interest| interest.life);
            self.life = life.and_then(|life| watch_life(self.place, &life));
        }
        self.life.as_mut().is_some_and(|life| life.as_mut().poll(cx).is_ready())
    }
}

impl ConnectionTask {
    /// Something has come, and the answer has gone: the peer may be let on at once. Whether the processor may still be given
    /// to other processes within this poll.
    fn answered(&self, patience: &Patience) -> bool {
        self.unaccompanied && !self.attendance.driver().give_way_at_once(patience)
    }

    /// Looks again for a moment, if something has come just now. `true`: the task has woken itself and is to be polled
    /// again, after the others that are ready.
    fn look_again(&mut self, worked: Worked, waker: &Waker) -> bool {
        if worked.again {
            waker.wake_by_ref();
            return true;
        }
        let before = self.patience.take();
        let Some(mut patience) = (if worked.busy { self.attendance.patience(true) } else { before }) else {
            return false;
        };
        let host = Arc::clone(self.attendance.driver().host());
        let mut may_give_way = if worked.busy { self.answered(&patience) } else { self.unaccompanied };
        let (mut found, mut looks) = (0, 0);
        let again = loop {
            match self.attendance.look_about(&mut patience, true) {
                None => {
                    found += 1;
                    if !self.attendance.is_lively() {
                        break true;
                    }
                    may_give_way = self.answered(&patience);
                    if found == FINDS {
                        break true;
                    }
                }
                Some(Moment::Passed) => {
                    looks += 1;
                    if looks == LOOKS {
                        break true;
                    }
                }
                Some(Moment::GiveWay) if std::mem::take(&mut may_give_way) => {
                    patience.rest(&*host);
                    host.give_way();
                }
                Some(Moment::GiveWay) => break true,
                Some(Moment::Over) => break false,
            }
        };
        patience.rest(&*host);
        if again {
            patience.leave(host.now());
            self.patience = Some(patience);
            if self.unaccompanied {
                waker.wake_by_ref();
            } else {
                wake_later(waker);
            }
        }
        again
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let since = self.attendance.arrive();
        let polled = self.attend(cx);
        self.attendance.depart(since);
        polled
    }
}

impl ConnectionTask {
    fn attend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.attendance.set_waker(cx.waker());
        self.subscribe(cx.waker());
        let now = || self.attendance.driver().host().now();
        self.unaccompanied =
            self.patience.as_mut().and_then(|patience| patience.come_back(now)).unwrap_or(false);
        // Whoever sleeps at once learns from the runtime what to do, with the same turn as what there is to do.
        let is_polite = self.attendance.driver().is_polite();
        if is_polite {
            let worked = self.attendance.work();
            if self.look_again(worked, cx.waker()) {
                return Poll::Pending;
            }
        }
        let mut is_due = !is_polite;
        let mut wants = Wants { read: true, write: self.attendance.driver().wants().write };
        loop {
            let readable = self.fds.reader().map_or(Poll::Pending, |fd| fd.poll_read_ready(cx));
            let writable = match self.fds.writer() {
                Some(fd) if wants.write => fd.poll_write_ready(cx),
                _ => Poll::Pending,
            };
            let signalled = readable.is_ready() || writable.is_ready();
            let worked = if signalled || is_due { self.attendance.work() } else { Worked::NOTHING };
            is_due = false;
            let Pumped { again, ended, wants: now_wants, until } = self.attendance.stand();
            if ended {
                return Poll::Ready(());
            }
            // What was seen before the turn is cleared after it; news that came meanwhile stay.
            if let Poll::Ready(Ok(mut guard)) = readable
                && !worked.again
            {
                guard.clear_ready();
            }
            if let Poll::Ready(Ok(mut guard)) = writable
                && now_wants.write
            {
                guard.clear_ready();
            }
            let unheard = now_wants.write && !wants.write;
            wants = now_wants;
            if let Some(until) = until {
                self.sleep.set(until, cx.waker());
            }
            if again || worked.again {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.poll_life(cx) {
                self.life = None;
                Arc::clone(self.attendance.driver()).peer_exited();
                // What a peer that has said goodbye left behind is still to be done.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !signalled && !unheard {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        if let (Some(event), Some((ticket, _))) = (self.interest.event(), self.ticket.take()) {
            event.unsubscribe(ticket);
        }
    }
}

/// Ready when the process behind this pidfd has ended. Connections of one runtime to one process share the watch.
fn watch_life(place: u64, life: &Fd) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
    type Watches = HashMap<(u64, RawFd), Weak<AsyncFd<Fd>>>;
    static WATCHES: Mutex<Option<Watches>> = Mutex::new(None);
    let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    let watches = watches.get_or_insert_default();
    let key = (place, life.as_raw_fd());
    let known = watches.get(&key).and_then(Weak::upgrade);
    let watch = match known {
        Some(watch) => watch,
        None => {
            watches.retain(|_, watch| watch.strong_count() > 0);
            let watch = Arc::new(watch(life, Direction::READABLE).ok()?);
            watches.insert(key, Arc::downgrade(&watch));
            watch
        }
    };
    Some(Box::pin(async move {
        let ended = watch.readable().await;
        drop(ended);
    }))
}

/// Runs `work` where blocking is allowed and gives its result.
pub(super) async fn unblock<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let text = format!("the work ended early: {error}");
        Err(Error::new(Code::Internal, Fate::NotSent, text))
    })
}
