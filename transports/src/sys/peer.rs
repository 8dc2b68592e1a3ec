//! Who is at the other end of a Unix socket, as the kernel wrote it down when the two ends met.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The credentials of `SO_PEERCRED`: of whoever connected or listened, not of whoever holds the socket now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// `None` if the process belongs to a pid namespace that cannot be seen from here.
    pub(crate) pid: Option<u32>,
}

/// The credentials of the peer of `socket`. Not by rustix, whose pid cannot be the zero of a foreign namespace.
pub(crate) fn credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` and `size` outlive the call, `size` is the size of `cred`, and any bytes are a valid `ucred`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut size,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(cred.pid).ok().filter(|pid| *pid != 0);
    Ok(Credentials { uid: cred.uid, gid: cred.gid, pid })
}
