//! Socket options that rustix has no name for.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sets an option whose value is a C int.
pub(crate) fn set(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is a C int that outlives the call, and `size` is its size.
    let answer =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How often the beginning of a TCP connection is sent again before the attempt is given up.
#[cfg(feature = "tcp")]
pub(crate) fn set_tcp_connect_retries(socket: BorrowedFd<'_>, retries: u8) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, libc::TCP_SYNCNT, retries.into())
}
