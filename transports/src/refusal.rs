//! What the operating system refused, as an error of Farcall that names the URL and the remedy.

use std::fmt::Display;
use std::io;

use farcall_core::{Code, Error, Fate};
use rustix::io::Errno;

/// The refusal of a system call that was made for `url`, which may say more than that, with words for the errors that this wire knows better.
pub(crate) fn refused(
    url: impl Display,
    attempt: &str,
    error: impl Into<io::Error>,
    known: &[(Errno, Code, &str)],
) -> Error {
    let error = error.into();
    let errno = Errno::from_io_error(&error);
    let row = known.iter().chain(EVERYWHERE).find(|(listed, ..)| Some(*listed) == errno);
    let (code, message) = match row {
        Some((_, code, remedy)) => (*code, (*remedy).to_owned()),
        None => (Code::Unavailable, format!("{attempt} failed: {error}")),
    };
    Error::new(code, Fate::NotSent, message).context(url).with_source(error)
}

#[rustfmt::skip]
const EVERYWHERE: &[(Errno, Code, &str)] = &[
    (Errno::MFILE, Code::ResourceExhausted, "this process has no free descriptors; raise its limit (ulimit -n) or close some"),
    (Errno::NFILE, Code::ResourceExhausted, "this machine has no free descriptors; close some or raise fs.file-max"),
    (Errno::NOBUFS, Code::ResourceExhausted, "the kernel has no memory for another socket; close some"),
    (Errno::NOMEM, Code::ResourceExhausted, "the kernel has no memory left; free some"),
    (Errno::NOSPC, Code::ResourceExhausted, "the disk is full; free some space"),
    (Errno::ROFS, Code::PermissionDenied, "the file system is read-only; choose another path"),
    (Errno::ACCESS, Code::PermissionDenied, "permission denied; check who owns the path and its directories"),
    (Errno::PERM, Code::PermissionDenied, "the system's policy does not permit it"),
    (Errno::NOTDIR, Code::InvalidConfig, "a part of the path is not a directory; correct the path"),
    (Errno::LOOP, Code::InvalidConfig, "the path leads through too many symbolic links; correct the path"),
    (Errno::NAMETOOLONG, Code::InvalidConfig, "the path is too long; choose a shorter one"),
];
