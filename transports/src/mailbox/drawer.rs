//! Where arguments lie that are too large for a letter: files of this user alone, each for one call.
//!
//! A file's name says when its call's deadline passes. Whoever takes the letter removes the file; what is still there after
//! the deadline belongs to no call any more, and whoever opens the mailbox removes it.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use farcall_core::Error;
use farcall_core::wire::mailbox::Id;

use super::bell::since_boot;
use crate::rendezvous::Doors;
use crate::url::Url;

/// Time after the deadline for which a file is left alone: somebody may just be reading it.
const GRACE: u64 = 1_000_000_000;

/// See the module.
pub(super) struct Drawer {
    directories: Vec<PathBuf>,
    prefix: String,
}

/// A file that is removed unless its letter has been put.
pub(super) struct Kept {
    path: PathBuf,
    pub(super) id: Id,
    is_put: bool,
}

impl Kept {
    /// From here on it belongs to whoever takes the letter.
    pub(super) fn put(&mut self) {
        self.is_put = true;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_put {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drawer {
    /// The drawer of a mailbox; `name` has its slash.
    pub(super) fn open(url: &Url, name: &CStr) -> Result<Self, Error> {
        let directories = Doors::default().own(url)?;
        let name = name.to_string_lossy();
        Ok(Drawer { directories, prefix: format!(".mailbox-{}.", name.trim_start_matches('/')) })
    }

    fn file(&self, deadline: u64, id: Id) -> String {
        format!("{}{deadline:016x}{:032x}", self.prefix, u128::from_be_bytes(id))
    }

    /// Keeps the arguments of one call.
    pub(super) fn keep(&self, deadline: u64, id: Id, bytes: &[u8]) -> io::Result<Kept> {
        let directory = self.directories.first().ok_or(io::ErrorKind::NotFound)?;
        let path = directory.join(self.file(deadline, id));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let kept = Kept { path, id, is_put: false };
        file.write_all(bytes)?;
        Ok(kept)
    }

    /// Takes them out again.
    ///
    /// # Errors
    /// They are not there, or not as the letter says.
    pub(super) fn take(&self, deadline: u64, id: Id, size: u64) -> io::Result<Vec<u8>> {
        let name = self.file(deadline, id);
        let mut last = io::ErrorKind::NotFound.into();
        for directory in &self.directories {
            let path = directory.join(&name);
            match open_ours(&path) {
                Ok(file) => {
                    let _ = fs::remove_file(&path);
                    return read(file, size);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Removes what belongs to no call any more.
    pub(super) fn sweep(&self) {
        self.remove_until(since_boot().saturating_sub(GRACE));
    }

    /// Removes everything.
    pub(super) fn empty(&self) {
        self.remove_until(u64::MAX);
    }

    fn remove_until(&self, time: u64) {
        for directory in &self.directories {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(&self.prefix));
                let deadline = rest.filter(|rest| rest.len() == 48).and_then(|rest| rest.get(..16));
                if deadline.and_then(|hex| u64::from_str_radix(hex, 16).ok()).is_some_and(|it| it <= time) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// Opens a file that this user has made, not through a link, without waiting for whatever else it may be.
fn open_ours(path: &std::path::Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    let is_ours = found.is_file() && found.uid() == rustix::process::geteuid().as_raw();
    if is_ours { Ok(file) } else { Err(io::Error::other("it is no file of this user")) }
}

fn read(file: File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::Error::other("it has another size")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drawer in a directory of its own.
    fn drawer() -> (tempfile::TempDir, Drawer) {
        let directory = tempfile::tempdir().unwrap();
        let prefix = ".mailbox-orders.".to_owned();
        let drawer = Drawer { directories: vec![directory.path().to_owned()], prefix };
        (directory, drawer)
    }

    fn files(drawer: &Drawer) -> usize {
        fs::read_dir(&drawer.directories[0]).unwrap().count()
    }

    #[test]
    fn arguments_are_taken_once_and_go_if_their_letter_was_never_put() {
        let (_directory, drawer) = drawer();
        let later = since_boot() + 60 * GRACE;
        let mut kept = drawer.keep(later, [1; 16], b"large").unwrap();
        kept.put();
        drop(kept);
        assert_eq!(drawer.take(later, [1; 16], 5).unwrap(), b"large");
        assert!(drawer.take(later, [1; 16], 5).is_err(), "they are gone");
        drop(drawer.keep(later, [2; 16], b"never put").unwrap());
        assert_eq!(files(&drawer), 0);
    }

    #[test]
    fn what_belongs_to_no_call_any_more_is_swept_and_nothing_else() {
        let (directory, drawer) = drawer();
        let now = since_boot();
        for (number, deadline) in [(1, now - 2 * GRACE), (2, now + 60 * GRACE)] {
            drawer.keep(deadline, [number; 16], b"orphan").unwrap().put();
        }
        fs::write(directory.path().join(".mailbox-orders.notes"), b"somebody's").unwrap();
        fs::write(directory.path().join(".mailbox-others.00"), b"another's").unwrap();
        drawer.sweep();
        assert_eq!(files(&drawer), 3);
        assert!(drawer.take(now - 2 * GRACE, [1; 16], 6).is_err());
        drawer.empty();
        assert_eq!(files(&drawer), 2);
    }

    #[test]
    fn what_was_planted_in_place_of_arguments_is_not_read() {
        let (directory, drawer) = drawer();
        let path = directory.path().join(drawer.file(7, [3; 16]));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(drawer.take(7, [3; 16], 1).is_err());
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(drawer.take(7, [3; 16], 1).is_err());
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"another size").unwrap();
        assert!(drawer.take(7, [3; 16], 1).is_err());
    }
}
