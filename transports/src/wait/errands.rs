//! What a reactor's thread and those who visit it share: errands, wakers, and the bell that ends its sleep.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Wake, Waker};
use std::thread::ThreadId;

use farcall_core::driver::{Driver, Task};
use farcall_core::transport::{Link, Listener};

use super::poll::Bell;

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

/// What the thread and its visitors share.
pub(super) struct Shared {
    place: u64,
    thread: OnceLock<ThreadId>,
    bell: Bell,
    inbox: Mutex<Inbox>,
    /// The thread is about to sleep or sleeps: ring.
    sleeping: AtomicBool,
    /// There is something in the inbox: a look without its lock.
    filled: AtomicBool,
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

impl Shared {
    /// For a thread that is yet to be started, with its first errand.
    pub(super) fn new(first: Errand) -> io::Result<Arc<Self>> {
        static PLACES: AtomicU64 = AtomicU64::new(1);
        Ok(Arc::new(Shared {
            // Runtimes have the even places.
            place: PLACES.fetch_add(1, Ordering::Relaxed) * 2 + 1,
            thread: OnceLock::new(),
            bell: Bell::new()?,
            inbox: Mutex::new(Inbox { errands: VecDeque::from([first]), ..Inbox::default() }),
            sleeping: AtomicBool::new(false),
            // The first errand lies there already.
            filled: AtomicBool::new(true),
        }))
    }

    /// Notes which thread it is.
    pub(super) fn settle(&self, thread: ThreadId) {
        self.thread.get_or_init(|| thread);
    }

    /// Whether the current thread is the one.
    pub(super) fn is_here(&self) -> bool {
        self.thread.get() == Some(&std::thread::current().id())
    }

    /// Leaves an errand; it comes back if the thread has ended.
    pub(super) fn give(&self, errand: Errand) -> Result<(), Errand> {
        let mut inbox = self.lock();
        if inbox.over {
            return Err(errand);
        }
        inbox.errands.push_back(errand);
        self.filled.store(true, Ordering::SeqCst);
        drop(inbox);
        self.ring();
        Ok(())
    }

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
        if self.filled.load(Ordering::SeqCst) {
            let mut inbox = self.lock();
            errands.append(&mut inbox.errands);
            woken.append(&mut inbox.woken);
            self.filled.store(false, Ordering::SeqCst);
        }
        let quiet = errands.is_empty() && woken.is_empty();
        if !quiet {
            self.sleeping.store(false, Ordering::SeqCst);
        }
        quiet
    }

    /// Whether something has come.
    pub(super) fn has_news(&self) -> bool {
        self.filled.load(Ordering::Relaxed)
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
        self.shared.filled.store(true, Ordering::SeqCst);
        drop(inbox);
        self.shared.ring();
    }
}
