//! A named thread that attends many connections and runs the handlers that belong to it; and how others reach it.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::thread::ThreadId;

use farcall_core::driver::{Driver, Task};
use farcall_core::transport::{Link, Listener};

use super::poll::Bell;
use super::reactor::Loop;

/// What a reactor's thread can be asked to do.
pub(crate) enum Errand {
    /// Attend this driver until its session ends.
    Adopt(Arc<Driver>),
    /// Accept what arrives here.
    Listen(Box<dyn Listener>, Arc<dyn Arrivals>),
    /// Stop accepting.
    CloseListeners,
    /// Run a handler.
    Handler(Task),
    /// Run a future.
    Future(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// End, whatever is attended.
    Stop,
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}

/// Who takes the links that a listener yields.
pub(crate) trait Arrivals: Send + Sync {
    /// A link has arrived. It is attended by whoever this gives it to.
    fn arrived(&self, link: Box<dyn Link>);

    /// The listener is closed: it was told so, or it yields no more.
    fn closed(&self);
}

/// When the thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// When it is told to.
    UntilStopped,
    /// When it has nothing left to do.
    WhileBusy,
}

/// A handle of the thread; clones are the same one.
#[derive(Clone)]
pub(crate) struct Reactor(Arc<Shared>);

/// What the thread and its visitors share.
pub(super) struct Shared {
    place: u64,
    thread: OnceLock<ThreadId>,
    bell: Bell,
    inbox: Mutex<Inbox>,
    /// The thread is about to sleep or sleeps: ring.
    sleeping: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    over: bool,
    errands: VecDeque<Errand>,
    woken: Vec<Key>,
}

/// What can be woken on a reactor's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Connection(usize),
    Listener(usize),
    Work(usize),
}

impl Reactor {
    /// Starts the thread with its first errand.
    ///
    /// # Errors
    /// What the system says: descriptors or threads have run out.
    pub(crate) fn start(name: String, lifetime: Lifetime, first: Errand) -> io::Result<Self> {
        static PLACES: AtomicU64 = AtomicU64::new(1);
        let shared = Arc::new(Shared {
            // Runtimes have the even places.
            place: PLACES.fetch_add(1, Ordering::Relaxed) * 2 + 1,
            thread: OnceLock::new(),
            bell: Bell::new()?,
            inbox: Mutex::new(Inbox { errands: VecDeque::from([first]), ..Inbox::default() }),
            sleeping: AtomicBool::new(false),
        });
        let mut run = Loop::new(Arc::clone(&shared), lifetime)?;
        let thread = std::thread::Builder::new().name(name).spawn(move || run.run())?;
        shared.thread.get_or_init(|| thread.thread().id());
        Ok(Reactor(shared))
    }

    /// Whether the current thread is this one.
    pub(crate) fn is_here(&self) -> bool {
        self.0.thread.get() == Some(&std::thread::current().id())
    }

    /// Where its attendants live.
    pub(crate) fn place(&self) -> u64 {
        self.0.place
    }

    /// Asks for something; the errand comes back if the thread has ended.
    pub(crate) fn give(&self, errand: Errand) -> Result<(), Errand> {
        let mut inbox = self.0.lock();
        if inbox.over {
            return Err(errand);
        }
        inbox.errands.push_back(errand);
        drop(inbox);
        self.0.ring();
        Ok(())
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    fn ring(&self) {
        if self.sleeping.load(Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// Takes what has come; `true`: nothing had, and from now on whoever brings something rings.
    pub(super) fn take(&self, errands: &mut VecDeque<Errand>, woken: &mut Vec<Key>) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        let mut inbox = self.lock();
        errands.append(&mut inbox.errands);
        woken.append(&mut inbox.woken);
        let quiet = errands.is_empty() && woken.is_empty();
        if !quiet {
            self.sleeping.store(false, Ordering::SeqCst);
        }
        quiet
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Takes no more errands; `false`: some have come meanwhile.
    pub(super) fn finish(&self) -> bool {
        let mut inbox = self.lock();
        inbox.over = inbox.errands.is_empty();
        inbox.over
    }

    /// Takes no more errands and drops those that wait.
    pub(super) fn abandon(&self) {
        let mut inbox = self.lock();
        inbox.over = true;
        let left = std::mem::take(&mut inbox.errands);
        drop(inbox);
        drop(left);
    }
}

/// Wakes one thing on a reactor's thread.
struct KeyWaker {
    shared: Arc<Shared>,
    key: Key,
}

pub(super) fn waker(shared: &Arc<Shared>, key: Key) -> Waker {
    Waker::from(Arc::new(KeyWaker { shared: Arc::clone(shared), key }))
}

impl Wake for KeyWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut inbox = self.shared.lock();
        if inbox.over || inbox.woken.contains(&self.key) {
            return;
        }
        inbox.woken.push(self.key);
        drop(inbox);
        self.shared.ring();
    }
}
