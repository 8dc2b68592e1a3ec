//! The lock beside a place, which its server holds as long as it lives. The file stays: removing it would let two servers
//! hold "the" lock.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use farcall_core::{Code, Error, Fate};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, statat};
use rustix::io::Errno;

use crate::refusal::refused;
use crate::url::Url;

/// Times that a lock file which was removed under our hands is made again.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// The process that took it: a forked child holds nothing, and must not clear away what its parent serves.
    holder: u32,
}

impl Lock {
    /// Takes the lock of the place of this name.
    pub(crate) fn take(url: &Url, directory: &OwnedFd, name: &OsStr) -> Result<Lock, Error> {
        let mut lock_name = name.to_owned();
        lock_name.push(".lock");
        let lock_name = PathBuf::from(lock_name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let known =
            [(Errno::LOOP, Code::PermissionDenied, "its .lock file is a symbolic link; remove the link")];
        let os = |errno| refused(url, "locking the .lock file", errno, &known);
        for _ in 0..ATTEMPTS {
            let lock = openat(directory, &lock_name, flags, Mode::RUSR | Mode::WUSR).map_err(os)?;
            let opened = fstat(&lock).map_err(os)?;
            let is_ours = opened.st_uid == rustix::process::geteuid().as_raw();
            if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile || !is_ours {
                let message = format!(
                    "{url}: its .lock file is not a file of this user; remove it or choose another path"
                );
                return Err(Error::new(Code::PermissionDenied, Fate::NotSent, message));
            }
            match rustix::io::retry_on_intr(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(already_served(url, &holder_of(lock))),
                Err(errno) => return Err(os(errno)),
            }
            let linked = statat(directory, &lock_name, AtFlags::SYMLINK_NOFOLLOW);
            if linked.is_ok_and(|linked| (linked.st_dev, linked.st_ino) == (opened.st_dev, opened.st_ino)) {
                return Ok(Lock { file: lock.into(), holder: std::process::id() });
            }
        }
        Err(os(Errno::BUSY))
    }

    /// The file, with the words of whoever held it last.
    #[cfg(any(feature = "shm", test))]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Leaves our number in the file, for the sentence of whoever comes next, and the words behind it.
    pub(crate) fn sign(&self, words: &str) {
        let text = format!("{} {words}", self.holder);
        let mut file = &self.file;
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.trim_end().as_bytes()));
    }

    /// Whether this process is the one that took it.
    pub(crate) fn is_ours(&self) -> bool {
        self.holder == std::process::id()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not only by closing it: a child that is being started elsewhere in this process holds it until its exec(2).
        if self.is_ours() {
            let _ = flock(&self.file, FlockOperation::NonBlockingUnlock);
        }
    }
}

fn holder_of(lock: OwnedFd) -> String {
    let mut text = String::new();
    let read = std::fs::File::from(lock).take(16).read_to_string(&mut text);
    let number = text.split_whitespace().next().unwrap_or_default();
    match read.and_then(|_| number.parse::<u32>().map_err(io::Error::other)) {
        Ok(pid) => format!(" by process {pid}"),
        Err(_) => String::new(),
    }
}

pub(super) fn already_served(url: &Url, by: &str) -> Error {
    let message = format!("{url}: it is already served{by}; end that server or choose another path");
    Error::new(Code::Unavailable, Fate::NotSent, message)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    /// What a fork leaves in the child until its exec is another descriptor of the same open file.
    #[test]
    fn a_place_is_free_when_its_lock_is_dropped_whoever_has_a_copy_of_the_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let opened = OwnedFd::from(File::open(directory.path()).unwrap());
        let url = Url::parse("unix:/place").unwrap();
        let take = || Lock::take(&url, &opened, OsStr::new("place"));
        let lock = take().unwrap();
        lock.sign("and more");
        let text = format!("{}: it is already served by process {}", url, std::process::id());
        assert!(take().unwrap_err().to_string().starts_with(&text));
        let copy = lock.file().try_clone().unwrap();
        drop(lock);
        take().unwrap();
        drop(copy);
    }
}
