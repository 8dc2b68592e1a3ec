//! The right to serve at a path: a lock beside it, held as long as the server lives.
//!
//! Whoever holds the lock, and nobody else, may remove what stands at the path, and only a socket of its own user behind
//! which no server answers. The lock file stays when the server ends: removing it would let two servers hold "the" lock.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use farcall_core::{Code, Error, Fate};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::bind;

use super::lock::{Lock, already_served};
use super::place::{Place, connect_retrying, socket};
#[cfg(feature = "shm")]
use crate::mark::{Mark, succeed};
use crate::refusal::refused;
use crate::url::Url;

#[derive(Debug)]
pub(crate) struct Claim {
    directory: OwnedFd,
    name: OsString,
    /// Device and inode of the socket file that we have made.
    ours: Option<(u64, u64)>,
    lock: Lock,
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
        let lock = Lock::take(url, &directory, &name)?;
        #[cfg(feature = "shm")]
        let mark = succeed(lock.file()).map_err(|error| error.context(url))?;
        #[cfg(feature = "shm")]
        lock.sign(mark.text());
        #[cfg(not(feature = "shm"))]
        lock.sign("");
        let claim = Claim {
            directory,
            name,
            ours: None,
            lock,
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
        if !self.lock.is_ours() {
            return;
        }
        if let (Some(ours), Ok(found)) = (self.ours, self.found())
            && ours == (found.st_dev, found.st_ino)
        {
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
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
