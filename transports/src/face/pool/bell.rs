//! What a pool's keeper sleeps on: its own bell, and the lives of those it keeps.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use farcall_core::{Code, Error, Fate};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{read, write};

pub(super) struct Bell(OwnedFd);

impl Bell {
    /// # Errors
    /// This process has no free descriptors.
    pub(super) fn new() -> Result<Self, Error> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        eventfd(0, flags).map(Bell).map_err(|errno| {
            let text = format!("a pool needs a descriptor, and none can be had: {errno}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text)
        })
    }

    pub(super) fn ring(&self) {
        // A full counter has been rung.
        let _ = write(&self.0, &1u64.to_ne_bytes());
    }

    /// Sleeps until the bell is rung, one of `lives` ends, or `timeout` has passed; gives those that have ended.
    pub(super) fn sleep(&self, lives: &[Arc<OwnedFd>], timeout: Option<Duration>) -> Vec<usize> {
        let mut fds = vec![PollFd::new(&self.0, PollFlags::IN)];
        fds.extend(lives.iter().map(|life| PollFd::from_borrowed_fd(life.as_fd(), PollFlags::IN)));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        let is_rung = !fds[0].revents().is_empty();
        let ended = (0..lives.len()).filter(|at| !fds[at + 1].revents().is_empty()).collect();
        drop(fds);
        if is_rung {
            let _ = read(&self.0, &mut [0; 8]);
        }
        ended
    }
}
