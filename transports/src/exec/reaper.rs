//! The end of a child whose link was dropped: time to end by itself, then a kill; and nobody waits for it but a thread here.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};

/// Time that a child has between the end of its input and its kill.
const GRACE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Sees to it that `child`, whose pipes are closed, ends and leaves no zombie. Returns at once.
pub(super) fn see_off(mut child: Child, pidfd: Option<Arc<OwnedFd>>) {
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    let Some(pidfd) = pidfd else {
        return end(child);
    };
    let (tx, rx) = std::sync::mpsc::sync_channel(1);
    let spawned =
        thread::Builder::new().name("farcall-reaper".into()).stack_size(64 * 1024).spawn(move || {
            if let Ok(child) = rx.recv() {
                let _ = wait_for(&pidfd);
                end(child);
            }
        });
    match spawned {
        Ok(_) => {
            let _ = tx.send(child);
        }
        Err(_) => end(child),
    }
}

fn wait_for(pidfd: &OwnedFd) -> Result<usize, Errno> {
    let fd = pidfd.as_fd();
    retry_on_intr(|| poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&GRACE)))
}

/// A killed child ends at once, so that waiting for it is short. A child that has ended is not harmed.
fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}
