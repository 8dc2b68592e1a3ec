//! Sleep for the thread that sits at a link: `poll(2)` over the link, the peer's life, and a timer that is also the bell.
//!
//! The timer is a descriptor that is set only when a deadline is earlier than what it is set to: a timeout given to
//! `poll(2)` itself costs most of a microsecond at every call, and so does each descriptor more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use farcall_core::Time;
use farcall_core::driver::{Interest, Sleeper, Wants};
use farcall_core::transport::Readiness;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::now;

/// A timer as a descriptor, readable from a point in time on.
#[derive(Debug)]
pub(crate) struct Alarm {
    fd: Arc<OwnedFd>,
    /// What it is set to.
    set: AtomicU64,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        Ok(Alarm { fd: Arc::new(fd), set: AtomicU64::new(Time::NEVER.as_nanos()) })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    #[cfg(feature = "tokio")]
    pub(super) fn shared(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Rings at `until` or earlier.
    pub(crate) fn set(&self, until: Time) -> io::Result<()> {
        if until.as_nanos() >= self.set.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.ring_in(until.since(now()))?;
        self.set.store(until.as_nanos(), Ordering::Relaxed);
        Ok(())
    }

    /// Rings now.
    pub(super) fn ring(&self) {
        // The only errors that timerfd_settime(2) knows are wrong arguments.
        let _ = self.ring_in(Duration::ZERO);
    }

    fn ring_in(&self, left: Duration) -> io::Result<()> {
        // Zero would switch the timer off.
        let left = left.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&*self.fd, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// It has rung.
    pub(crate) fn clear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&*self.fd, &mut count);
        self.set.store(Time::NEVER.as_nanos(), Ordering::Relaxed);
    }
}

/// A descriptor by which threads of this process wake each other.
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Bell(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(super) fn ring(&self) {
        // A full counter is readable already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn clear(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.0, &mut count);
    }
}

/// See the module.
pub(super) struct PollSleeper {
    alarm: Alarm,
    /// Somebody has rung. It is set before the timer is, and looked at after the timer is set to sleep, so that the two
    /// settings cannot undo each other unnoticed.
    rung: AtomicBool,
}

impl PollSleeper {
    pub(super) fn new() -> io::Result<Self> {
        Ok(PollSleeper { alarm: Alarm::new()?, rung: AtomicBool::new(false) })
    }

    fn clear(&self) {
        self.rung.store(false, Ordering::SeqCst);
        self.alarm.clear();
    }
}

impl Sleeper for PollSleeper {
    fn park(&self, interest: &Interest, wants: Wants, until: Time) -> io::Result<bool> {
        self.alarm.set(until)?;
        if self.rung.load(Ordering::SeqCst) {
            self.clear();
            return Ok(false);
        }
        let mut fds: [PollFd<'_>; 4] =
            std::array::from_fn(|_| PollFd::from_borrowed_fd(self.alarm.fd(), PollFlags::IN));
        let mut used = 1;
        if let Readiness::Fd { read, write } = &interest.readiness {
            if wants.read {
                fds[used] = PollFd::from_borrowed_fd(read.as_fd(), PollFlags::IN);
                used += 1;
            }
            if wants.write {
                fds[used] = PollFd::from_borrowed_fd(write.as_fd(), PollFlags::OUT);
                used += 1;
            }
        }
        if let Readiness::Bell(bell) = &interest.readiness {
            fds[used] = PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN);
            used += 1;
        }
        if let Some(life) = &interest.life {
            fds[used] = PollFd::from_borrowed_fd(life.as_fd(), PollFlags::IN);
            used += 1;
        }
        match poll(&mut fds[..used], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| !fds[at].revents().is_empty();
        let (rung, died) = (is_ready(0), interest.life.is_some() && is_ready(used - 1));
        if rung {
            self.clear();
        }
        Ok(died)
    }

    fn unpark(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.alarm.ring();
    }
}
