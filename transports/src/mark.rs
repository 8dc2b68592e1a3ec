//! Names that stand for a moment, from the making of something to the removal of its name.
//!
//! All names of one server are made of one random number. It stands in the lock file of the place that is served, where the
//! successor of a server that died in such a moment finds it and removes what is left.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::fs::FileExt;

use farcall_core::{Code, Error, Fate};
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::sys::segment;

/// Bytes of a lock file that are looked at.
const LOOK: usize = 64;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    name: CString,
}

impl Mark {
    /// A number that nobody else has.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn fresh() -> Result<Mark, Error> {
        let mut number = [0; 16];
        random(&mut number)?;
        Ok(Mark::of(u128::from_le_bytes(number)))
    }

    fn of(number: u128) -> Mark {
        let name = CString::new(format!("/farcall-{number:032x}")).expect("hexadecimal digits are no zeros");
        Mark { name }
    }

    /// The mark of whoever held this lock before.
    pub(crate) fn left_in(lock: &File) -> Option<Mark> {
        let mut text = [0; LOOK];
        let read = lock.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..read]).ok()?;
        let digits = text.split_whitespace().nth(1).filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Mark::of)
    }

    /// What stands in a lock file.
    pub(crate) fn text(&self) -> &str {
        self.name.to_str().ok().and_then(|name| name.strip_prefix("/farcall-")).unwrap_or_default()
    }

    /// The name of a queue or an object.
    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// The key of a segment.
    pub(crate) fn key(&self) -> i32 {
        let digits = self.text().get(..7).unwrap_or_default();
        // Not zero, which stands for a segment without a key.
        i32::from_str_radix(digits, 16).unwrap_or(0) | 1
    }

    /// Removes whatever has a name of this mark. Nothing but what a server left that was killed within a few microseconds.
    pub(crate) fn clear(&self) {
        #[cfg(feature = "mq")]
        let _ = crate::queue::unlink(&self.name);
        let _ = rustix::shm::unlink(&*self.name);
        let orphan = segment::find(self.key()).and_then(|id| Ok((id, segment::status(id)?)));
        if let Ok((id, status)) = orphan
            && (status.uid, status.attached) == (geteuid().as_raw(), 0)
        {
            let _ = segment::remove(id);
        }
    }
}

/// Fills the bytes with random ones.
///
/// # Errors
/// The system gives none.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    let mut have = 0;
    while have < bytes.len() {
        let got = rustix::io::retry_on_intr(|| getrandom(&mut bytes[have..], GetRandomFlags::empty()));
        have += got.map_err(|errno| {
            Error::new(Code::ResourceExhausted, Fate::NotSent, "the system gives no random numbers")
                .with_source(std::io::Error::from(errno))
        })?;
    }
    Ok(())
}

/// Takes a lock over: what its last holder left is cleared away, and the new mark is to be written into it.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn succeed(lock: &File) -> Result<Mark, Error> {
    if let Some(left) = Mark::left_in(lock) {
        left.clear();
    }
    Mark::fresh()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_successor_removes_what_its_predecessor_left() {
        let mark = Mark::fresh().unwrap();
        let flags = rustix::shm::OFlags::CREATE | rustix::shm::OFlags::EXCL | rustix::shm::OFlags::RDWR;
        rustix::shm::open(mark.name(), flags, rustix::fs::Mode::RUSR).unwrap();
        let id = segment::create(mark.key(), 4096).unwrap();
        #[cfg(feature = "mq")]
        crate::queue::Queue::create(mark.name(), 1, 16).unwrap();
        let mut lock = tempfile::tempfile().unwrap();
        write!(lock, "{} {}", u32::MAX, mark.text()).unwrap();
        let own = succeed(&lock).unwrap();
        assert_ne!(own, mark);
        assert!(rustix::shm::unlink(mark.name()).is_err());
        assert!(segment::find(mark.key()).is_err() && segment::status(id).is_err());
        #[cfg(feature = "mq")]
        assert!(crate::queue::unlink(mark.name()).is_err());
    }

    #[test]
    fn a_lock_file_without_a_mark_is_taken_as_it_is() {
        for text in ["", "12", "12 xyz", "12 /../../etc/passwd", "\u{fe}"] {
            let mut lock = tempfile::tempfile().unwrap();
            lock.write_all(text.as_bytes()).unwrap();
            assert_eq!(Mark::left_in(&lock), None, "{text}");
        }
    }
}
