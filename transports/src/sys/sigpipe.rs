//! Writing to a pipe that may be broken in a program that has not ignored `SIGPIPE`, on kernels without `RWF_NOSIGNAL`.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::{Errno, Result};

/// Calls `write` such that a broken pipe is an error and never the end of the process.
///
/// Where the signal is ignored, as in every Rust program that has not changed it, this costs one system call; otherwise the
/// signal is blocked in this thread, and taken off it again if `write` has raised it.
pub(crate) fn shielded(write: impl FnOnce() -> Result<usize>) -> Result<usize> {
    if is_ignored() || is_pending() {
        return write();
    }
    let pipe = only_sigpipe();
    let before = mask(libc::SIG_BLOCK, &pipe);
    let answer = write();
    if answer == Err(Errno::PIPE) {
        take_pending(&pipe);
    }
    mask(libc::SIG_SETMASK, &before);
    answer
}

/// Whether the signal is ignored, as in every Rust program that has not changed it.
pub(crate) fn is_ignored() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call only writes the present one, to memory that outlives it.
    let answer = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes are a valid `sigaction`, whether or not the call has written one.
    let action = unsafe { action.assume_init() };
    answer == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// A signal that is pending already is blocked already: nothing can be raised, and it is not ours to take.
fn is_pending() -> bool {
    let mut pending = empty_set();
    // SAFETY: the set outlives the call.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: the set is initialized and SIGPIPE is a valid signal.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}

fn take_pending(set: &libc::sigset_t) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: set and time outlive the call; a null pointer means that no details are wanted.
    while unsafe { libc::sigtimedwait(set, ptr::null_mut(), &raw const now) } == -1
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
}

fn mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = empty_set();
    // SAFETY: both sets are initialized and outlive the call, which concerns this thread only.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}

fn only_sigpipe() -> libc::sigset_t {
    let mut set = empty_set();
    // SAFETY: the set is initialized and SIGPIPE is a valid signal.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the call writes an empty set to memory that outlives it.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set has just been written, and all zeroes are valid too.
    unsafe { set.assume_init() }
}
