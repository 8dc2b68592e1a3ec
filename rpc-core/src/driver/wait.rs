//! Threads that wait: one sits at the link and does the turns, the others sleep until they are served or succeed it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::driver::{Driver, Interest, Receive, Sleeper, Wants};
use crate::error::{Code, Error, Fate};
use crate::limits::NESTED_DEPTH;
use crate::session::{Incoming, Outcome, Seat, Settled};
use crate::time::Time;
use crate::transport::Readiness;

thread_local! {
    static PARKER: (Arc<Parker>, Waker) = {
        let parker = Arc::new(Parker::new());
        (Arc::clone(&parker), Waker::from(parker))
    };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// How one thread sleeps and is woken, at a link or not.
struct Parker {
    id: u64,
    thread: Thread,
    notified: AtomicBool,
    /// The thread sleeps or is about to: only then need it be roused.
    asleep: AtomicBool,
    /// Where the thread sits, if it does.
    seat: Mutex<Option<Arc<dyn Sleeper>>>,
}

impl Parker {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Parker {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            thread: std::thread::current(),
            notified: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            seat: Mutex::new(None),
        }
    }

    fn set_seat(&self, sleeper: Option<Arc<dyn Sleeper>>) {
        let before =
            std::mem::replace(&mut *self.seat.lock().unwrap_or_else(PoisonError::into_inner), sleeper);
        drop(before);
    }

    /// Forgets what has woken this thread so far. Whoever waits looks at everything it waits for after this.
    fn forget(&self) {
        self.notified.store(false, Ordering::SeqCst);
    }

    /// Runs `sleep` unless somebody has woken this thread since [`forget`](Self::forget).
    ///
    /// The sleeper says that it sleeps and then looks for a notice; the waker leaves a notice and then looks whether
    /// anybody sleeps. All four are sequentially consistent, so at least one of them sees the other.
    fn sleep<T>(&self, sleep: impl FnOnce() -> T) -> Option<T> {
        self.asleep.store(true, Ordering::SeqCst);
        let slept = if self.notified.load(Ordering::SeqCst) { None } else { Some(sleep()) };
        self.asleep.store(false, Ordering::SeqCst);
        slept
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.notified.swap(true, Ordering::SeqCst) || !self.asleep.load(Ordering::SeqCst) {
            return;
        }
        let seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seat {
            Some(sleeper) => sleeper.unpark(),
            None => self.thread.unpark(),
        }
    }
}

/// Gives the waker of the current thread, for a call that this thread is going to wait for.
pub fn with_thread_waker<T>(f: impl FnOnce(&Waker) -> T) -> T {
    PARKER.with(|(_, waker)| f(waker))
}

/// Sitting at the link: the sleeper, what to wait on, and the duties of whoever sits.
struct Sitting<'a> {
    driver: &'a Arc<Driver>,
    parker: &'a Arc<Parker>,
    sleeper: Arc<dyn Sleeper>,
    interest: Interest,
    /// What the first sleep needs to know; later ones ask again.
    first: Option<(bool, Wants, Option<Time>)>,
    ticket: Option<usize>,
}

impl<'a> Sitting<'a> {
    /// `None`: the link is gone, or the system has no descriptor left to sleep on.
    fn begin(
        driver: &'a Arc<Driver>,
        parker: &'a Arc<Parker>,
        waker: &Waker,
        due: Option<Time>,
    ) -> Option<Self> {
        let sleeper = driver.sleeper().ok()?;
        let (interest, quiet, wants) = driver.outlook()?;
        parker.set_seat(Some(Arc::clone(&sleeper)));
        let ticket = interest.event().map(|event| event.subscribe(waker.clone()));
        // An event that came before the subscription was not heard: the link is armed again after it.
        let first = ticket.is_none().then_some((quiet, wants, due));
        Some(Sitting { driver, parker, sleeper, interest, first, ticket })
    }

    fn sleep(&mut self, until: Time) {
        let now = || {
            let (quiet, wants) = self.driver.arm();
            (quiet, wants, self.driver.session().arm())
        };
        let (quiet, wants, due) = self.first.take().unwrap_or_else(now);
        if !quiet {
            return;
        }
        let until = due.map_or(until, |due| due.min(until));
        match self.parker.sleep(|| self.sleeper.park(&self.interest, wants, until)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => self.driver.peer_exited(),
            Some(Err(error)) => {
                let text = format!("the system refused to wait: {error}");
                self.driver.end(&Error::new(Code::ResourceExhausted, Fate::Unknown, text).with_source(error));
            }
        }
        // A pidfd comes with the first bytes: what is waited on may have grown.
        #[cfg(unix)]
        if self.interest.life.is_none()
            && let Some(interest) = self.driver.interest()
        {
            self.interest.life = interest.life;
        }
    }
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        self.parker.set_seat(None);
        if let (Some(ticket), Readiness::Event(event)) = (self.ticket, &self.interest.readiness) {
            event.unsubscribe(ticket);
        }
        if let Some(successor) = self.driver.session().stand_up() {
            successor.wake();
        }
    }
}

impl Driver {
    fn sleeper(&self) -> std::io::Result<Arc<dyn Sleeper>> {
        let mut slot = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sleeper) = &*slot {
            return Ok(Arc::clone(sleeper));
        }
        let sleeper = self.host.sleeper()?;
        *slot = Some(Arc::clone(&sleeper));
        Ok(sleeper)
    }

    /// Waits for a call's verdict, doing turns. The deadline ends it through the session.
    pub fn wait(self: &Arc<Self>, token: u32) -> Settled {
        let settled = self.wait_for(Time::NEVER, Some(token), |session, waker| session.take(token, waker));
        settled.expect("a call ends at its deadline at the latest")
    }

    /// Does turns and sleeps until `done` gives something or `until` has come. `callbacks_of`: the call that is
    /// waited for; what it causes here runs inside the wait.
    pub fn wait_for<T>(
        self: &Arc<Self>,
        until: Time,
        callbacks_of: Option<u32>,
        mut done: impl FnMut(&crate::session::Session, &Waker) -> Option<T>,
    ) -> Option<T> {
        PARKER.with(|(parker, waker)| {
            let mut sitting: Option<Sitting<'_>> = None;
            let mut benched = false;
            let result = loop {
                parker.forget();
                if let Some(result) = done(&self.session, waker) {
                    break Some(result);
                }
                if until != Time::NEVER && self.host.now() >= until {
                    break None;
                }
                if sitting.is_none() {
                    match self.session.sit(parker.id, waker) {
                        Seat::Taken(due) => {
                            sitting = Sitting::begin(self, parker, waker, due);
                            if sitting.is_none() {
                                self.give_up_seat();
                            }
                        }
                        Seat::Occupied => benched = true,
                    }
                }
                match &mut sitting {
                    Some(sitting) => sitting.sleep(until),
                    None => self.sleep_aside(parker, until),
                }
                self.waiters_turn(callbacks_of);
            };
            drop(sitting);
            if benched && let Some(next) = self.session.leave_bench(parker.id) {
                next.wake();
            }
            result
        })
    }

    fn give_up_seat(self: &Arc<Self>) {
        if let Some(successor) = self.session.stand_up() {
            successor.wake();
        }
        if self.session.ended().is_none() {
            let text = "no descriptor is left to wait on";
            self.end(&Error::new(Code::ResourceExhausted, Fate::Unknown, text));
        }
    }

    /// Sleeps until woken; the sitter does the turns. Ticks too, so that a deadline never depends on others.
    fn sleep_aside(&self, parker: &Parker, until: Time) {
        let due = self.session.arm().map_or(until, |due| due.min(until));
        let left = due.since(self.host.now()).min(Duration::from_secs(3600));
        parker.sleep(|| std::thread::park_timeout(left));
    }

    fn waiters_turn(self: &Arc<Self>, callbacks_of: Option<u32>) {
        let mut again = true;
        while again {
            again = self.turn(Receive::Yes, self.anyone_dispatches());
            if let Some(token) = callbacks_of {
                self.run_callbacks(token);
            }
        }
    }

    /// Runs what the awaited call has caused here, inside the wait, to a bounded depth.
    fn run_callbacks(self: &Arc<Self>, token: u32) {
        let Some(server) = &self.server else { return };
        let mut served = false;
        while let Some(request) = self.session.next_callback(token) {
            served = true;
            let depth = NESTED.get();
            if depth >= NESTED_DEPTH {
                let text = format!("{NESTED_DEPTH} callbacks are nested on one waiting thread");
                let error = Error::new(Code::Overloaded, Fate::NotExecuted, text);
                self.session.finish(request.key, Outcome::Refused(error));
                continue;
            }
            NESTED.set(depth + 1);
            server.dispatch(self, Incoming::Call(request), self.host.now());
            NESTED.set(depth);
        }
        if served {
            self.flush();
        }
    }
}
