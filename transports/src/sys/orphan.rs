//! What becomes of a child when its parent ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Has the kernel send `signal` to the child that `command` starts, when the *thread* that starts it ends.
pub(crate) fn signalled(command: &mut Command, signal: Signal) {
    let parent = std::process::id();
    let ask = move || {
        set_parent_process_death_signal(Some(signal))?;
        // It may have ended before the kernel was asked.
        let is_orphan = getppid().is_none_or(|now| now.as_raw_nonzero().get().cast_unsigned() != parent);
        if is_orphan { Err(io::Error::from(io::ErrorKind::NotFound)) } else { Ok(()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls that are safe in a signal handler; it neither
    // allocates nor locks.
    unsafe { command.pre_exec(ask) };
}
