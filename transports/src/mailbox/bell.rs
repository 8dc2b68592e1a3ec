//! One descriptor for all that a link of a mailbox waits on, and the clock of its deadlines.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use farcall_core::Time;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};

use crate::wait::Alarm;

/// See the module.
pub(super) struct Bell {
    epoll: Arc<OwnedFd>,
    alarm: Alarm,
    queue: Arc<OwnedFd>,
    /// What is waited for at the queue.
    wanted: EventFlags,
}

impl Bell {
    /// A bell over a queue.
    pub(super) fn new(queue: &Arc<OwnedFd>) -> std::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let alarm = Alarm::new()?;
        epoll::add(&epoll, alarm.fd(), EventData::new_u64(0), EventFlags::IN)?;
        epoll::add(&epoll, &**queue, EventData::new_u64(0), EventFlags::empty())?;
        let wanted = EventFlags::empty();
        Ok(Bell { epoll: Arc::new(epoll), alarm, queue: Arc::clone(queue), wanted })
    }

    pub(super) fn fd(&self) -> &Arc<OwnedFd> {
        &self.epoll
    }

    /// Rings when `fd` is readable, until that is closed.
    pub(super) fn add(&self, fd: impl AsFd) -> std::io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(0), EventFlags::IN)?)
    }

    pub(super) fn forget(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// What rings at the queue from now on, for those who sleep already as well.
    pub(super) fn want(&mut self, wanted: EventFlags) {
        if self.wanted != wanted
            && epoll::modify(&self.epoll, &*self.queue, EventData::new_u64(0), wanted).is_ok()
        {
            self.wanted = wanted;
        }
    }

    /// Rings at this time, or earlier.
    pub(super) fn ring_at(&self, time: Time) {
        if time != Time::NEVER {
            let _ = self.alarm.set(time);
        }
    }

    /// Whether it rings; the clock's part of it is taken off.
    pub(super) fn rings(&self) -> bool {
        let rings = is_readable(self.epoll.as_fd());
        if rings {
            self.alarm.clear();
        }
        rings
    }
}

/// Whether a descriptor is readable now.
pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Nanoseconds since this machine's start, sleep included: the same for all of its processes.
pub(super) fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
