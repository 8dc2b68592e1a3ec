//! Threads that wait: one sits at the link and does the turns, the others sleep until they are served or succeed it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::driver::{Driver, InPlace, Interest, Receive, Sleeper, Standing};
use crate::error::{Code, Error, Fate};
use crate::limits::NESTED_DEPTH;
use crate::session::{Outcome, Seat, Settled};
use crate::time::Time;
use crate::transport::Readiness;

thread_local! {
    static PARKER: (Arc<Parker>, Waker) = {
        let parker = Arc::new(Parker::new());
        (Arc::clone(&parker), Waker::from(parker))
    };
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// Where a thread sleeps.
const AWAKE: u8 = 0;
const ASIDE: u8 = 1;
const AT_LINK: u8 = 2;

/// How one thread sleeps and is woken, at a link or not.
struct Parker {
    id: u64,
    thread: Thread,
    notified: AtomicBool,
    /// The thread sleeps or is about to: only then need it be roused.
    asleep: AtomicU8,
    /// Where the thread sits or has sat last. It stays, so that the next sitting at the same link need not tell again.
    seat: Mutex<Weak<Post>>,
    /// The address of that post, for a look without the lock.
    seat_at: AtomicUsize,
}

impl Parker {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Parker {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            thread: std::thread::current(),
            notified: AtomicBool::new(false),
            asleep: AtomicU8::new(AWAKE),
            seat: Mutex::new(Weak::new()),
            seat_at: AtomicUsize::new(0),
        }
    }

    /// The thread is going to sit here. While a `Weak` names a post, no other post has its address.
    fn set_seat(&self, post: &Arc<Post>) {
        let address = Arc::as_ptr(post).addr();
        if self.seat_at.load(Ordering::Relaxed) != address {
            let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
            *seat = Arc::downgrade(post);
            self.seat_at.store(address, Ordering::Relaxed);
        }
    }

    /// Forgets what has woken this thread so far. Whoever waits looks at everything it waits for after this.
    fn forget(&self) {
        self.notified.store(false, Ordering::SeqCst);
    }

    /// Runs `sleep` unless somebody has woken this thread since [`forget`](Self::forget).
    ///
    /// The sleeper says that it sleeps and then looks for a notice; the waker leaves a notice and then looks whether
    /// anybody sleeps. All four are sequentially consistent, so at least one of them sees the other.
    fn sleep<T>(&self, place: u8, sleep: impl FnOnce() -> T) -> Option<T> {
        self.asleep.store(place, Ordering::SeqCst);
        let slept = if self.notified.load(Ordering::SeqCst) { None } else { Some(sleep()) };
        self.asleep.store(AWAKE, Ordering::SeqCst);
        slept
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.notified.swap(true, Ordering::SeqCst) {
            return;
        }
        match self.asleep.load(Ordering::SeqCst) {
            AWAKE => {}
            AT_LINK => {
                let post = self.seat.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
                if let Some(post) = post {
                    post.sleeper.unpark();
                }
            }
            _ => self.thread.unpark(),
        }
    }
}

/// Gives the waker of the current thread, for a call that this thread starts and is going to wait for.
pub fn with_thread_waker<T>(f: impl FnOnce(&Waker) -> T) -> T {
    PARKER.with(|(parker, waker)| {
        parker.forget();
        f(waker)
    })
}

/// What a thread needs that sits at the link.
pub(super) struct Post {
    sleeper: Arc<dyn Sleeper>,
    interest: Interest,
}

/// A thread sits at the link: it sleeps there, and others must hear of it when it stands up.
struct Sitting<'a> {
    driver: &'a Arc<Driver>,
    parker: &'a Arc<Parker>,
    post: Arc<Post>,
    /// What the first sleep needs to know; later ones ask again.
    first: Option<(Standing, Option<Time>)>,
    /// The peer has said hello, so the post stays as it is.
    ready: bool,
    ticket: Option<usize>,
}

impl<'a> Sitting<'a> {
    /// `None`: the link is gone, or the system has no descriptor left to sleep on.
    fn begin(
        driver: &'a Arc<Driver>,
        parker: &'a Arc<Parker>,
        waker: &Waker,
        due: Option<Time>,
        ready: bool,
    ) -> Option<Self> {
        let (post, standing) = driver.outlook()?;
        parker.set_seat(&post);
        let ticket = post.interest.event().map(|event| event.subscribe(waker.clone()));
        // What was signalled before there was a subscription is lost: an event is asked again.
        let first = ticket.is_none().then_some((standing, due));
        Some(Sitting { driver, parker, post, first, ready, ticket })
    }

    fn sleep(&mut self, until: Time) {
        if !self.ready
            && let Some((post, _)) = self.driver.outlook()
        {
            self.post = post;
        }
        let now = || (self.driver.standing(), self.driver.session().arm());
        let (standing, due) = self.first.take().unwrap_or_else(now);
        if !standing.quiet {
            return;
        }
        let (wants, until) = (standing.wants, due.map_or(until, |due| due.min(until)));
        match self.parker.sleep(AT_LINK, || self.post.sleeper.park(&self.post.interest, wants, until)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => self.driver.peer_exited(),
            Some(Err(error)) => {
                let text = format!("the system refused to wait: {error}");
                self.driver.end(&Error::new(Code::ResourceExhausted, Fate::Unknown, text).with_source(error));
            }
        }
    }
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        if let (Some(ticket), Readiness::Event(event)) = (self.ticket, &self.post.interest.readiness) {
            event.unsubscribe(ticket);
        }
        if let Some(successor) = self.driver.session().stand_up() {
            successor.wake();
        }
    }
}

impl Driver {
    /// What a thread needs that sits at the link, and how things stand before its sleep; `None`: the link is gone, or no
    /// descriptor is left to sleep on.
    fn outlook(self: &Arc<Self>) -> Option<(Arc<Post>, Standing)> {
        self.look(|turn| {
            if let Some(post) = &turn.post {
                return Some((Arc::clone(post), turn.stand()));
            }
            let interest = Interest::of(&**turn.link.as_ref()?);
            let mut sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
            let sleeper = match &*sleeper {
                Some(sleeper) => Arc::clone(sleeper),
                None => Arc::clone(sleeper.insert(self.host.sleeper().ok()?)),
            };
            let post = Arc::new(Post { sleeper, interest });
            turn.post = Some(Arc::clone(&post));
            Some((post, turn.stand()))
        })
    }

    /// Waits for a call's verdict, doing turns. The deadline ends it through the session. `fresh`: the call was started
    /// just now with this thread's waker, so that it is not looked at before the thread is woken. `None`: frames have come or
    /// gone, and whoever waits politely looks for more before it sleeps again.
    pub fn wait(self: &Arc<Self>, token: u32, mut fresh: bool) -> Option<Settled> {
        let moves = self.moves();
        let settled = self.wait_for(Time::NEVER, Some(token), !fresh, |session, waker| {
            if std::mem::take(&mut fresh) {
                return None;
            }
            match session.take(token, waker) {
                None if self.is_polite() && self.moves() != moves => Some(None),
                None => None,
                settled => Some(settled),
            }
        });
        settled.expect("a call ends at its deadline at the latest")
    }

    /// Does turns and sleeps until `done` gives something or `until` has come; what a sleeper is told is heard once even if
    /// it has come already. `callbacks_of`: the call that is
    /// waited for; what it causes here runs inside the wait. `forget`: what has woken the thread so far does not count.
    pub fn wait_for<T>(
        self: &Arc<Self>,
        until: Time,
        callbacks_of: Option<u32>,
        mut forget: bool,
        mut done: impl FnMut(&crate::session::Session, &Waker) -> Option<T>,
    ) -> Option<T> {
        PARKER.with(|(parker, waker)| {
            let mut sitting: Option<Sitting<'_>> = None;
            let (mut benched, mut slept) = (false, false);
            let result = loop {
                if std::mem::replace(&mut forget, true) {
                    parker.forget();
                }
                if let Some(result) = done(&self.session, waker) {
                    break Some(result);
                }
                if std::mem::replace(&mut slept, true) && until != Time::NEVER && self.host.now() >= until {
                    break None;
                }
                if sitting.is_none() {
                    match self.session.sit(parker.id, waker) {
                        Seat::Taken { due, ready } => {
                            sitting = Sitting::begin(self, parker, waker, due, ready);
                            if sitting.is_none() {
                                self.give_up_seat();
                            }
                        }
                        Seat::Occupied => benched = true,
                    }
                }
                match &mut sitting {
                    Some(sitting) => sitting.sleep(until),
                    None => {
                        self.sleep_aside(parker, until);
                        // Who is woken with its verdict leaves the turn to those who still wait.
                        if let Some(result) = done(&self.session, waker) {
                            break Some(result);
                        }
                    }
                }
                let mut again = true;
                while again {
                    again = self.turn(Receive::Yes, false);
                    if self.session.has_requests() {
                        // A handler may wait itself, here or elsewhere: it must find the seat free, and so must others.
                        drop(sitting.take());
                        self.leave_bench(parker, std::mem::take(&mut benched));
                        self.run_handlers(callbacks_of);
                    }
                }
            };
            drop(sitting);
            self.leave_bench(parker, benched);
            result
        })
    }

    fn leave_bench(&self, parker: &Parker, benched: bool) {
        if benched && let Some(next) = self.session.leave_bench(parker.id) {
            next.wake();
        }
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
        parker.sleep(ASIDE, || std::thread::park_timeout(left));
    }

    /// Runs the handlers that are this thread's to run.
    pub(super) fn run_handlers(self: &Arc<Self>, callbacks_of: Option<u32>) {
        if let Some(token) = callbacks_of {
            self.run_callbacks(token);
        }
        if self.anyone_dispatches()
            && let Some(now) = self.dispatch(None, self.host.now())
        {
            self.flush_at(now);
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
            let mut place = InPlace::default();
            let (method, begun) = ((request.object, request.method), self.host.now());
            server.dispatch(self, request, &mut place);
            if let Some((key, outcome)) = place.ended {
                self.session.finish(key, outcome);
            }
            self.note_end(method, begun);
            NESTED.set(depth);
        }
        if served {
            self.flush();
        }
    }
}
