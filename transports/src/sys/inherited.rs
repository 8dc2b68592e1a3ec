//! Descriptors that pass from a process to a child that it starts: handing over, and taking up by number.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Makes the child that `command` starts inherit `fds` under the numbers that they have here.
///
/// They are marked in the child, between fork and exec: no other child, started by another thread, gets them too. This
/// process keeps them as long as `command` lives.
pub(crate) fn hand_over(command: &mut Command, fds: Vec<OwnedFd>) {
    let mark = move || {
        for fd in &fds {
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes only system calls that are safe in a signal handler, one per
    // descriptor; it neither allocates nor locks.
    unsafe { command.pre_exec(mark) };
}

/// Takes up a descriptor that this process was started with.
///
/// # Errors
/// A descriptor that is not open, or that is marked close-on-exec: that one was opened by this program itself and has an
/// owner, or it was taken up before.
pub(crate) fn take_up(raw: RawFd) -> io::Result<OwnedFd> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if raw <= libc::STDERR_FILENO {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "descriptors 0 to 2 are the standard streams; use stdio: for them",
        ));
    }
    // SAFETY: `raw` is not -1, and if it is not open, the only call made with it says so.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("descriptor {raw} was not inherited, or is in use already"),
        ));
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: the descriptor is open. What this program opens is close-on-exec from the beginning (std and this crate see
    // to that), so it came with the start of the process and nothing in it owns it; being marked now, it cannot be taken
    // up a second time.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
