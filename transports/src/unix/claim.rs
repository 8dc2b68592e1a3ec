//! The right to serve at a path: a lock beside it, held as long as the server lives.
//!
//! Whoever holds the lock, and nobody else, may remove what stands at the path, and only a socket of its own user behind
//! which no server answers. The lock file stays when the server ends: removing it would let two servers hold "the" lock.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use farcall_core::{Code, Error, Fate};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;
use rustix::net::bind;

use super::place::{Place, connect_retrying, socket};
#[cfg(feature = "shm")]
use crate::mark::{Mark, succeed};
use crate::refusal::refused;
use crate::url::Url;

/// Times that a lock file which was removed under our hands is made again.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(crate) struct Claim {
    directory: OwnedFd,
    name: OsString,
    /// Device and inode of the socket file that we have made.
    ours: Option<(u64, u64)>,
    /// The process that holds the claim: a forked child must not clear away what its parent serves.
    holder: u32,
    lock: OwnedFd,
    #[cfg(feature = "shm")]
    mark: Mark,
}

impl Claim {
    /// Takes the lock, and sees to it that nothing stands at the path.
    pub(crate) fn take(url: &Url, path: &Path) -> Result<Claim, Error> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().unwrap_or_default().to_owned();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let absent = [(
            Errno::NOENT,
            Code::InvalidConfig,
            "its directory does not exist; make it or correct the path",
        )];
        let directory = openat(CWD, parent, flags, Mode::empty())
            .map_err(|errno| refused(url, "opening the directory", errno, &absent))?;
        check_directory(url, parent, &directory)?;
        let lock = lock(url, &directory, &name)?;
        #[cfg(feature = "shm")]
        let (lock, mark) = succeed(lock).map_err(|error| error.context(url))?;
        #[cfg(feature = "shm")]
        let words = mark.text();
        #[cfg(not(feature = "shm"))]
        let words = "";
        let claim = Claim {
            directory,
            name,
            ours: None,
            holder: std::process::id(),
            lock: sign(lock, words),
            #[cfg(feature = "shm")]
            mark,
        };
        claim.clear(url, path)?;
        Ok(claim)
    }

    /// Binds `socket` to the path, open to this user only.
    pub(crate) fn bind(&mut self, url: &Url, place: &Place, socket: &OwnedFd) -> Result<(), Error> {
        // The file gets the mode of the socket, so that there is no moment at which it is open to others.
        fchmod(socket, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| refused(url, "setting the mode", errno, &[]))?;
        let known =
            [(Errno::ADDRINUSE, Code::Unavailable, "somebody else has just made a file at this path")];
        place
            .address()
            .and_then(|address| bind(socket, &address.address))
            .map_err(|errno| refused(url, "binding", errno, &known))?;
        self.ours = self.found().ok().map(|found| (found.st_dev, found.st_ino));
        Ok(())
    }

    /// Of what names are made that stand for a moment only.
    #[cfg(feature = "shm")]
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    fn found(&self) -> rustix::io::Result<Stat> {
        statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn clear(&self, url: &Url, path: &Path) -> Result<(), Error> {
        let found = match self.found() {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(refused(url, "looking at the path", errno, &[])),
        };
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind != FileType::Socket {
            return Err(url.refuse(format!(
                "{} is there, and it is not removed; move it away or choose another path",
                describe(kind)
            )));
        }
        if found.st_uid != rustix::process::geteuid().as_raw() {
            return Err(refused(
                url,
                "taking over",
                Errno::PERM,
                &[(
                    Errno::PERM,
                    Code::PermissionDenied,
                    "a socket of another user is there, and it is not removed; choose another path",
                )],
            ));
        }
        match probe(path) {
            Err(Errno::CONNREFUSED) => {}
            Ok(()) | Err(Errno::AGAIN) => return Err(already_served(url, "")),
            Err(errno) => return Err(refused(url, "asking whether the socket there is alive", errno, &[])),
        }
        unlinkat(&self.directory, &self.name, AtFlags::empty())
            .map_err(|errno| refused(url, "removing the socket of a server that is gone", errno, &[]))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.holder != std::process::id() {
            return;
        }
        if let (Some(ours), Ok(found)) = (self.ours, self.found())
            && ours == (found.st_dev, found.st_ino)
        {
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
        // Not only by closing it: a child that is being started elsewhere in this process holds it until its exec(2).
        let _ = flock(&self.lock, FlockOperation::NonBlockingUnlock);
    }
}

/// In a directory that everybody may write to, anybody could put a socket in the place of ours.
fn check_directory(url: &Url, path: &Path, directory: &OwnedFd) -> Result<(), Error> {
    let found = fstat(directory).map_err(|errno| refused(url, "looking at the directory", errno, &[]))?;
    let mode = Mode::from_raw_mode(found.st_mode);
    if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
        let message = format!(
            "{url}: everybody may write to {}, so anybody could replace the socket; use chmod o-w or another directory",
            path.display()
        );
        return Err(Error::new(Code::PermissionDenied, Fate::NotSent, message));
    }
    Ok(())
}

/// The lock beside a place, which its server holds as long as it lives.
pub(crate) fn lock(url: &Url, directory: &OwnedFd, name: &OsString) -> Result<OwnedFd, Error> {
    let mut lock_name = name.clone();
    lock_name.push(".lock");
    let lock_name = PathBuf::from(lock_name);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let known = [(Errno::LOOP, Code::PermissionDenied, "its .lock file is a symbolic link; remove the link")];
    let os = |errno| refused(url, "locking the .lock file", errno, &known);
    for _ in 0..ATTEMPTS {
        let lock = openat(directory, &lock_name, flags, Mode::RUSR | Mode::WUSR).map_err(os)?;
        let opened = fstat(&lock).map_err(os)?;
        let is_ours = opened.st_uid == rustix::process::geteuid().as_raw();
        if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile || !is_ours {
            let message =
                format!("{url}: its .lock file is not a file of this user; remove it or choose another path");
            return Err(Error::new(Code::PermissionDenied, Fate::NotSent, message));
        }
        match rustix::io::retry_on_intr(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(already_served(url, &holder_of(lock))),
            Err(errno) => return Err(os(errno)),
        }
        let linked = statat(directory, &lock_name, AtFlags::SYMLINK_NOFOLLOW);
        if linked.is_ok_and(|linked| (linked.st_dev, linked.st_ino) == (opened.st_dev, opened.st_ino)) {
            return Ok(lock);
        }
    }
    Err(os(Errno::BUSY))
}

/// Leaves our number in the lock file, for the sentence of whoever comes next, and the words behind it.
pub(crate) fn sign(lock: OwnedFd, words: &str) -> OwnedFd {
    let mut file = std::fs::File::from(lock);
    let text = format!("{} {words}", std::process::id());
    let _ = file.set_len(0).and_then(|()| file.write_all(text.trim_end().as_bytes()));
    file.into()
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

fn already_served(url: &Url, by: &str) -> Error {
    let message = format!("{url}: it is already served{by}; end that server or choose another path");
    Error::new(Code::Unavailable, Fate::NotSent, message)
}

/// Whether somebody listens at the socket.
fn probe(path: &Path) -> rustix::io::Result<()> {
    let socket = socket()?;
    connect_retrying(&socket, &Place::Path(path.to_owned()).address()?.address)
}

pub(crate) fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        _ => "something that is not a socket",
    }
}
