//! Attendants: tasks and threads that do turns whenever the link has news, for calls that sleep elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use slab::Slab;

use crate::driver::{Driver, Moment, Patience, Receive, Wants};
use crate::error::{Error, Gone};
use crate::limits::ONE_MORE_TASK;
use crate::session::Expected;
use crate::time::Time;
use crate::transport::Link;

/// Those who attend, and how to wake them.
#[derive(Debug, Default)]
pub(super) struct Attendants {
    list: Mutex<Slab<(u64, Waker)>>,
    count: AtomicUsize,
    /// Those who wait until there are none.
    watchers: Mutex<Vec<Waker>>,
    /// The thread on which the only attendant last stood before its sleep, if tasks that call are polled by that thread
    /// alone; 0: there is no such attendant.
    neighbour: AtomicUsize,
    /// That one has been called, and has not stood since.
    called: AtomicBool,
    /// How long it has been polled because it was called, in nanoseconds.
    visited: AtomicU64,
}

/// This thread, by a number that no other living thread has.
fn here() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.try_with(|here| std::ptr::from_ref(here).addr()).unwrap_or_default()
}

impl Attendants {
    /// Has the only attendant come to the link, if this thread is the one that polls it: then that costs nothing but a place
    /// among the tasks that are ready. `false`: it is not, or there are others.
    ///
    /// Who asks has looked at the link before, under the turn's lock, and an attendant stands under it: either its standing
    /// came later, or what it wrote before is read here.
    pub(super) fn call_neighbour(&self) -> bool {
        let neighbour = self.neighbour.load(Ordering::Relaxed);
        if neighbour == 0 || neighbour != here() {
            return false;
        }
        if !self.called.load(Ordering::Relaxed) {
            self.called.store(true, Ordering::Relaxed);
            self.wake();
        }
        true
    }

    pub(super) fn visited(&self) -> u64 {
        self.visited.load(Ordering::Relaxed)
    }

    /// An attendant is about to arm the link.
    fn note_stand(&self, shares_thread: bool) {
        self.called.store(false, Ordering::Relaxed);
        if shares_thread {
            let list = self.lock();
            self.neighbour.store(if list.len() == 1 { here() } else { 0 }, Ordering::Relaxed);
        }
    }

    /// Another attendant has come, or one has gone.
    fn note_change(&self, list: &Slab<(u64, Waker)>) {
        self.count.store(list.len(), Ordering::Release);
        self.neighbour.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<(u64, Waker)>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Wakes all of them; `false`: there are none.
    pub(super) fn wake(&self) -> bool {
        if self.is_empty() {
            return false;
        }
        let list = self.lock();
        for (_, (_, waker)) in list.iter() {
            waker.wake_by_ref();
        }
        !list.is_empty()
    }

    pub(super) fn has(&self, place: u64) -> bool {
        !self.is_empty() && self.lock().iter().any(|(_, (id, _))| *id == place)
    }
}

/// Being an attendant; ends with its drop, and everyone who waits then looks for another.
#[derive(Debug)]
pub struct Attendance {
    driver: Arc<Driver>,
    entry: usize,
    /// The thread that polls it also polls the tasks of its runtime, and there is no other.
    shares_thread: bool,
}

/// How things stand after an attendant's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worked {
    /// There is more to do now; give way to others and come again.
    pub again: bool,
    /// Something has come.
    pub busy: bool,
}

impl Worked {
    /// No turn was done.
    pub const NOTHING: Worked = Worked { again: false, busy: false };
}

/// How things stand before an attendant's sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pumped {
    /// There is more to do now; give way to others and come again.
    pub again: bool,
    /// The session has ended: there is nothing more to attend.
    pub ended: bool,
    /// What to wait for.
    pub wants: Wants,
    /// Come again at this time at the latest.
    pub until: Option<Time>,
}

impl Driver {
    /// Becomes an attendant. `place` is the runtime or thread where it lives; `waker` is woken for work.
    pub fn attend(self: &Arc<Self>, place: u64, waker: Waker) -> Attendance {
        let mut list = self.attendants.lock();
        let entry = list.insert((place, waker));
        self.attendants.note_change(&list);
        drop(list);
        Attendance { driver: Arc::clone(self), entry, shares_thread: false }
    }

    /// Whether nobody attends, so that nobody holds the link's descriptors; if not, `waker` is woken when one leaves.
    pub fn is_unattended(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        self.attendants.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
        self.attendants.is_empty()
    }

    /// Whether an attendant lives at this place.
    pub fn is_attended_at(&self, place: u64) -> bool {
        self.attendants.has(place)
    }

    /// The peer's life is over: what it had sent still counts, then the session ends. If it had said goodbye before, the
    /// session ends once an attendant has dispatched what it left behind.
    pub fn peer_exited(self: &Arc<Self>) {
        self.turn(Receive::ToTheEnd, false);
        if !self.look(|turn| turn.is_parting()) {
            // The other end of its pipe may still be open elsewhere, in a child that somebody is starting: no end of file.
            let ended = |link: &mut Box<dyn Link>| (link.has_exited(), link.exit());
            let (has_exited, how) = self.look(|turn| turn.link.as_mut().map(ended)).unwrap_or((true, None));
            let error = Error::gone(if has_exited { Gone::Exited } else { Gone::Hup });
            self.end(&how.map_or_else(
                || error.clone(),
                |how| Error::new(error.code(), error.fate(), format!("{}: {how}", self.url)),
            ));
        }
    }
}

impl Attendance {
    /// It lives on a runtime of one thread: before that thread sleeps it has polled every attendant that was woken.
    #[must_use]
    pub fn beside_tasks(mut self) -> Self {
        self.shares_thread = true;
        self
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// It is polled. `Some`: because of calls of tasks beside it, since then.
    pub fn arrive(&self) -> Option<Time> {
        self.driver.attendants.called.load(Ordering::Relaxed).then(|| self.driver.host.now())
    }

    /// It has been polled since it [arrived](Self::arrive). Calls that let other tasks have their turn, to see whether there are
    /// any, do not count it among them if it was there because of them.
    pub fn depart(&self, since: Option<Time>) {
        if let Some(since) = since {
            let visit = self.driver.host.now().since(since) + ONE_MORE_TASK;
            let nanos = u64::try_from(visit.as_nanos()).unwrap_or(u64::MAX);
            self.driver.attendants.visited.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Is woken by this waker from now on.
    pub fn set_waker(&self, waker: &Waker) {
        let mut list = self.driver.attendants.lock();
        if let Some((_, known)) = list.get_mut(self.entry)
            && !known.will_wake(waker)
        {
            known.clone_from(waker);
        }
    }

    /// An attendant's turn, and how things stand before its sleep.
    pub fn pump(&self) -> Pumped {
        let again = self.driver.turn(Receive::Yes, true);
        let pumped = self.stand();
        Pumped { again: pumped.again || again, ..pumped }
    }

    /// A turn of an attendant that may look again before it sleeps; it must [`stand`](Self::stand) before that.
    pub fn work(&self) -> Worked {
        let before = self.driver.moves();
        let again = self.driver.turn(Receive::Yes, true);
        Worked { again, busy: self.driver.moves() != before }
    }

    /// Looks whether something has come, and does a turn if so. `None`: something had, and the wait begins again; otherwise
    /// what is next. `alone`: whoever looks has nothing else to look at.
    pub fn look_about(&self, patience: &mut Patience, alone: bool) -> Option<Moment> {
        self.driver.look_about(patience, alone)
    }

    /// Patience for looking again before sleeping: where something has come just now and more will come soon. `alone`:
    /// this attendant has nothing else to do.
    pub fn patience(&self, alone: bool) -> Option<Patience> {
        let alone = match self.driver.session.expected() {
            Expected::Verdicts => false,
            Expected::Requests => alone,
            Expected::Nothing => return None,
        };
        self.is_lively().then(|| self.driver.patience(alone)).flatten()
    }

    /// Whether more is likely to come soon: nothing is in its way.
    pub fn is_lively(&self) -> bool {
        self.driver.is_lively()
    }

    /// How things stand before a sleep; the link signals what comes from now on.
    pub fn stand(&self) -> Pumped {
        self.driver.attendants.note_stand(self.shares_thread);
        let standing = self.driver.standing();
        let (until, ended) = self.driver.session.arm_or_end();
        Pumped {
            again: self.driver.session.has_dispatchable() || !standing.quiet,
            ended,
            wants: standing.wants,
            until,
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut list = self.driver.attendants.lock();
        let gone = list.try_remove(self.entry);
        self.driver.attendants.note_change(&list);
        drop(list);
        drop(gone);
        let watchers = &self.driver.attendants.watchers;
        let watchers = std::mem::take(&mut *watchers.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in self.driver.session.wake_all().into_iter().chain(watchers) {
            waker.wake();
        }
    }
}
