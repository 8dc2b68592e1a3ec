//! A tokio runtime: who is in it, what it spawns, and how it watches a descriptor that others hold as well.

use std::future::Future;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::io::Interest as Direction;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, RuntimeFlavor};

pub(super) type Fd = Arc<OwnedFd>;

/// A tokio runtime.
#[derive(Clone)]
pub(crate) struct Runtime(Handle);

impl Runtime {
    /// The runtime in which this thread is, if any.
    pub(crate) fn current() -> Option<Self> {
        Handle::try_current().ok().map(Runtime)
    }

    /// Where its attendants live: an even number; reactors have the odd ones.
    pub(super) fn place(&self) -> u64 {
        struct Numbers(u64);
        impl Hasher for Numbers {
            fn finish(&self) -> u64 {
                self.0
            }
            fn write(&mut self, bytes: &[u8]) {
                for byte in bytes {
                    self.0 = (self.0 << 8) | u64::from(*byte);
                }
            }
            fn write_u64(&mut self, number: u64) {
                self.0 = number;
            }
        }
        let mut numbers = Numbers(0);
        self.0.id().hash(&mut numbers);
        numbers.finish() << 1
    }

    /// Whether one thread polls all of its tasks.
    pub(super) fn has_one_thread(&self) -> bool {
        self.0.runtime_flavor() == RuntimeFlavor::CurrentThread
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(future));
    }

    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.0.spawn_blocking(work));
    }
}

/// Has the current runtime watch a descriptor.
pub(super) fn watch(fd: &Fd, direction: Direction) -> std::io::Result<AsyncFd<Fd>> {
    let register = AssertUnwindSafe(|| {
        // SAFETY: an `Arc<OwnedFd>` names one and the same open descriptor for as long as it lives, and `AsyncFd` keeps it.
        unsafe { AsyncFd::register_with_interest(Arc::clone(fd), direction) }
    });
    // A panic is how tokio says that the runtime was built without I/O.
    let no_io =
        |_| std::io::Error::other("it was built without I/O; build it with `enable_io` or `enable_all`");
    Ok(catch_unwind(register).map_err(no_io)??)
}
