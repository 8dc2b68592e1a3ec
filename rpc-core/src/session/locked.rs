//! The lock, and what may be known without it.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError, TryLockError};

use crate::session::{Inner, Session};
use crate::time::Time;

/// How often a thread gives the processor away to who holds the lock before it goes to sleep for it. Threads that sleep
/// for a lock are woken one after the other; on a busy machine each waits its turn for a processor with all the others
/// behind it, so that a hundred that were woken together would come home one by one.
const PATIENCE: u32 = 64;

/// What was true when the lock was last let go, for those who need not know better than that.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Of the bits below.
    bits: AtomicU8,
    /// Nothing is due before this; in nanoseconds.
    due: AtomicU64,
}

/// Requests wait.
pub(super) const REQUESTED: u8 = 1;
/// Frames wait to be taken.
pub(super) const UNSENT: u8 = 2;
/// A thread sits at the link.
pub(super) const SEATED: u8 = 4;
/// Calls are outstanding.
pub(super) const OUTSTANDING: u8 = 8;
/// It has ended.
pub(super) const ENDED: u8 = 16;

impl Hints {
    #[inline]
    pub(super) fn any(&self, of: u8) -> bool {
        self.bits.load(Ordering::Acquire) & of != 0
    }
}

/// The session while it is locked.
pub(super) struct Locked<'a> {
    inner: MutexGuard<'a, Inner>,
    hints: &'a Hints,
}

impl Deref for Locked<'_> {
    type Target = Inner;

    #[inline]
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let due = self.inner.machine.due();
        self.hints.due.store(due.as_nanos(), Ordering::Relaxed);
        let bit = |bit: u8, is: bool| if is { bit } else { 0 };
        let bits = bit(REQUESTED, !self.inner.requests.is_empty())
            | bit(UNSENT, !self.inner.machine.is_flushed())
            | bit(SEATED, self.inner.bench.is_seated())
            | bit(OUTSTANDING, self.inner.machine.outstanding() > 0)
            | bit(ENDED, self.inner.ended.is_some());
        self.hints.bits.store(bits, Ordering::Release);
    }
}

impl Session {
    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => self.lock_slowly(),
        };
        Locked { inner, hints: &self.hints }
    }

    #[cold]
    fn lock_slowly(&self) -> MutexGuard<'_, Inner> {
        for _ in 0..PATIENCE {
            std::thread::yield_now();
            match self.inner.try_lock() {
                Ok(inner) => return inner,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is due before this.
    #[inline]
    pub fn due(&self) -> Time {
        Time::from_nanos(self.hints.due.load(Ordering::Relaxed))
    }

    /// Whether it has ended.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.hints.any(ENDED)
    }

    /// Whether calls are outstanding.
    #[inline]
    pub fn has_outstanding(&self) -> bool {
        self.hints.any(OUTSTANDING)
    }

    /// Whether frames wait to be taken, so far as this thread has made them wait: what another thread adds is its to send.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.hints.any(UNSENT)
    }
}
