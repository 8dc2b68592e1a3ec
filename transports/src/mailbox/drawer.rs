//! Where arguments lie that are too large for a letter: files of this user alone, each for one call.
//!
//! A file's name says when its call's deadline passes. Whoever takes the letter removes the file; what is still there after
//! the deadline belongs to no call any more, and whoever opens a mailbox removes it, also that of another: it may be that
//! nobody opens that one again.

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

/// No call of now has a later deadline: it is of a time before this machine was started anew.
const DAY: u64 = 24 * 3600 * 1_000_000_000;

/// What the names of all files begin with; the mailbox's name and a full stop follow.
const PREFIX: &str = ".mailbox-";

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
        Ok(Drawer { directories, prefix: format!("{PREFIX}{}.", name.trim_start_matches('/')) })
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

    /// Removes what belongs to no call any more, in whichever mailbox it was put.
    pub(super) fn sweep(&self) {
        let now = since_boot();
        let (over, beyond) = (now.saturating_sub(GRACE), now.saturating_add(DAY + GRACE));
        self.remove(|_, deadline| deadline <= over || deadline > beyond);
    }

    /// Removes everything of this mailbox.
    pub(super) fn empty(&self) {
        self.remove(|prefix, _| prefix == self.prefix);
    }

    /// Removes the files of which `is_waste` says so, told the beginning and the deadline of their names.
    fn remove(&self, is_waste: impl Fn(&str, u64) -> bool) {
        for directory in &self.directories {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let parts = name.to_str().and_then(parts);
                if parts.is_some_and(|(prefix, deadline)| is_waste(prefix, deadline)) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// What the name of a file begins with, and its deadline.
fn parts(name: &str) -> Option<(&str, u64)> {
    let (prefix, number) = name.split_at_checked(name.len().checked_sub(48)?)?;
    let is_hex = number.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let is_ours = is_hex && prefix.starts_with(PREFIX) && prefix.ends_with('.');
    Some((prefix, u64::from_str_radix(number.get(..16)?, 16).ok()?)).filter(|_| is_ours)
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
        let directories = vec![directory.path().to_owned()];
        let other = Drawer { directories, prefix: ".mailbox-nobody.opens.this.".to_owned() };
        let now = since_boot();
        let (over, to_come, before_a_restart) = (now - 2 * GRACE, now + 60 * GRACE, now + DAY + 60 * GRACE);
        for drawer in [&drawer, &other] {
            for (number, deadline) in (1..).zip([over, to_come, before_a_restart]) {
                drawer.keep(deadline, [number; 16], b"orphan").unwrap().put();
            }
        }
        let others = [".mailbox-orders.notes", ".mailbox-others.00", "orders.lock"];
        let others = [format!("orders.{over:016x}{:032x}", 1)].into_iter().chain(others.map(str::to_owned));
        let others: Vec<_> = others.map(|name| directory.path().join(name)).collect();
        others.iter().for_each(|path| fs::write(path, b"somebody's").unwrap());
        drawer.sweep();
        assert_eq!(files(&drawer), 2 + others.len());
        assert!(drawer.take(over, [1; 16], 6).is_err());
        drawer.empty();
        assert_eq!(other.take(to_come, [2; 16], 6).unwrap(), b"orphan");
        assert_eq!(files(&drawer), others.len());
        assert!(others.iter().all(|path| path.exists()));
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
