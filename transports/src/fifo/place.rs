//! Where FIFOs are met: a directory into which nobody else may put anything, and what may stand there.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use farcall_core::{Code, Error, Fate};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkfifoat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::refusal::refused;
use crate::unix::Place;
use crate::url::Url;

/// Bytes of a name: with the name of a pair behind it, it is a file's.
const LONGEST_NAME: usize = 200;

/// A well-known FIFO's place. There are no credentials on a FIFO: its directory decides who comes.
#[derive(Debug)]
pub(super) struct Meeting {
    directory: OwnedFd,
    name: OsString,
    path: PathBuf,
}

/// A FIFO of a pair, as seen from the client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

impl Meeting {
    /// Opens the directory, and refuses one that others own or may write to.
    pub(super) fn of(url: &Url) -> Result<Meeting, Error> {
        let Place::Path(path) = Place::of(url)? else {
            return Err(url.refuse("a FIFO has no abstract name; write for example fifo:/run/calculator"));
        };
        let name = path.file_name().unwrap_or_default().to_owned();
        if name.len() > LONGEST_NAME {
            return Err(url.refuse("its name is longer than 200 bytes; choose a shorter one"));
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        #[rustfmt::skip]
        let known = [
            (Errno::NOENT, Code::InvalidConfig, "its directory does not exist; make it or correct the path"),
            (Errno::NOTDIR, Code::PermissionDenied, "its directory is a symbolic link or no directory; write where it really is"),
        ];
        let directory = openat(CWD, parent, flags, Mode::empty())
            .map_err(|errno| refused(url, "opening the directory", errno, &known))?;
        let found =
            fstat(&directory).map_err(|errno| refused(url, "looking at the directory", errno, &[]))?;
        let forbid = |what: &str| {
            let text = format!("{url}: {} {what}, and a FIFO has no other guard", parent.display());
            Err(Error::new(Code::PermissionDenied, Fate::NotSent, text))
        };
        if found.st_uid != geteuid().as_raw() {
            return forbid("is another user's directory; choose one of your own");
        }
        if Mode::from_raw_mode(found.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            return forbid("may be written to by others; use chmod go-w or another directory");
        }
        Ok(Meeting { directory, name, path })
    }

    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub(super) fn name(&self) -> &OsString {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a FIFO of this name, open to this user only.
    pub(super) fn make(&self, name: &OsStr) -> rustix::io::Result<()> {
        mkfifoat(&self.directory, name, Mode::RUSR | Mode::WUSR)
    }

    /// Opens a FIFO of this name without waiting for anybody; `NOTSUP` if it is not one of this user's alone.
    pub(super) fn open(&self, name: &OsStr, way: OFlags) -> rustix::io::Result<(OwnedFd, Stat)> {
        let flags = way | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        // A FIFO has a name and an inode, in which every read would be noted.
        let flags = if way == OFlags::RDONLY { flags | OFlags::NOATIME } else { flags };
        // What is no FIFO is not even opened: a device might do something.
        if !is_ours(&statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?) {
            return Err(Errno::NOTSUP);
        }
        let fd = openat(&self.directory, name, flags, Mode::empty())?;
        let found = fstat(&fd)?;
        if is_ours(&found) { Ok((fd, found)) } else { Err(Errno::NOTSUP) }
    }

    pub(super) fn found(&self) -> rustix::io::Result<Stat> {
        statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(super) fn remove(&self, name: &OsStr) -> rustix::io::Result<()> {
        unlinkat(&self.directory, name, AtFlags::empty())
    }

    /// The name of one FIFO of a pair.
    pub(super) fn of_pair(&self, pair: &[u8; 16], way: Way) -> OsString {
        let mut name = self.name.clone();
        let end = match way {
            Way::Up => "up",
            Way::Down => "down",
        };
        name.push(format!(".{:032x}.{end}", u128::from_be_bytes(*pair)));
        name
    }

    /// Removes the pairs of clients that were killed before a server had seen them.
    pub(super) fn sweep(&self) {
        let Some(entries) = self.path.parent().and_then(|parent| std::fs::read_dir(parent).ok()) else {
            return;
        };
        for name in entries.flatten().map(|entry| entry.file_name()) {
            let is_fifo = || {
                statat(&self.directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo)
            };
            if self.is_of_a_pair(&name) && is_fifo() {
                let _ = self.remove(&name);
            }
        }
    }

    fn is_of_a_pair(&self, name: &OsStr) -> bool {
        let rest = name.as_encoded_bytes().strip_prefix(self.name.as_encoded_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b".")) else {
            return false;
        };
        rest.split_at_checked(32).is_some_and(|(digits, end)| {
            digits.iter().all(u8::is_ascii_hexdigit) && [&b".up"[..], b".down"].contains(&end)
        })
    }
}

/// A FIFO of this user alone, which has one name.
fn is_ours(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Fifo
        && found.st_uid == geteuid().as_raw()
        && found.st_mode & 0o077 == 0
        && found.st_nlink == 1
}
