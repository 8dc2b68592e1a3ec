//! Mapping what is shared, and the memory that is shared if nobody asks for another: a sealed memfd, made by the listening
//! side and checked by the other before it is touched.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use farcall_core::{Code, Error, Fate};
use rustix::fs::{
    FallocateFlags, FileType, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat,
    fstatfs, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use rustix::process::{Resource, getrlimit};

use crate::ring::{Layout, Mapped};
use crate::sys::forked::Origin;
use crate::sys::probe::is_disabled;
use crate::sys::segment;

/// What statfs(2) calls the file system of memfds that are made of ordinary pages.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What must never happen to the memory once it is shared: with these no access can end in `SIGBUS`.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Whether this process shares memory at all.
pub(crate) fn is_possible() -> bool {
    !is_disabled("memfd")
}

/// New memory for a connection, all zero and really there, and what the other side maps it by.
///
/// # Errors
/// `ResourceExhausted` with the size, or `Unsupported` where there are no memfds.
pub(crate) fn make(layout: Layout) -> Result<(OwnedFd, Mapped), Error> {
    let size = layout.size();
    let fd = fresh().map_err(|errno| match errno {
        Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::ACCESS => {
            Error::new(Code::Unsupported, Fate::NotSent, format!("this system makes no memfds ({errno})"))
        }
        _ => exhausted(size, errno),
    })?;
    fill(&fd, size as u64).map_err(|errno| exhausted(size, errno))?;
    fcntl_add_seals(&fd, SEALS).map_err(|errno| exhausted(size, errno))?;
    let memory = map(fd.as_fd(), size).map_err(|errno| exhausted(size, errno))?;
    Ok((fd, memory))
}

/// New memory that only this process writes, all zero and really there: others read it by the descriptor.
///
/// # Errors
/// What the system says.
#[cfg(feature = "mailbox")]
pub(crate) fn publish(size: usize) -> rustix::io::Result<(OwnedFd, Mapped)> {
    let fd = fresh()?;
    fill(&fd, size as u64)?;
    let memory = map(fd.as_fd(), size)?;
    // What is mapped already stays writable.
    fcntl_add_seals(&fd, SEALS | SealFlags::FUTURE_WRITE)?;
    Ok((fd, memory))
}

fn fresh() -> rustix::io::Result<OwnedFd> {
    /// Sealed against execution, which kernels before Linux 6.3 do not know.
    static HAS_NOEXEC: AtomicBool = AtomicBool::new(true);
    if !is_possible() {
        return Err(Errno::NOSYS);
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    if HAS_NOEXEC.load(Ordering::Relaxed) {
        match memfd_create(c"farcall", flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => HAS_NOEXEC.store(false, Ordering::Relaxed),
            made => return made,
        }
    }
    memfd_create(c"farcall", flags)
}

/// Gives the file its size, and pages for all of it: a page that is missing later would be a signal.
pub(super) fn fill(fd: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    // Beyond this limit the kernel would send a signal too.
    if getrlimit(Resource::Fsize).current.is_some_and(|most| size > most) {
        return Err(Errno::FBIG);
    }
    ftruncate(fd, size)?;
    if is_disabled("fallocate") {
        return Err(Errno::NOSPC);
    }
    rustix::io::retry_on_intr(|| fallocate(fd, FallocateFlags::empty(), 0, size))
}

pub(super) fn exhausted(size: usize, errno: Errno) -> Error {
    let why = match errno {
        Errno::FBIG => "a limit on the size of files is in the way (ulimit -f)".to_owned(),
        Errno::NOSPC | Errno::NOMEM | Errno::DQUOT => "there is no room left".to_owned(),
        Errno::MFILE | Errno::NFILE => "there are no free descriptors".to_owned(),
        other => other.to_string(),
    };
    let text = format!("{size} bytes of memory to share cannot be had: {why}");
    Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(std::io::Error::from(errno))
}

/// The memory that the other side has passed.
///
/// # Errors
/// What is wrong with it: nothing was touched. `ResourceExhausted` if it cannot be mapped.
pub(crate) fn adopt(fd: &OwnedFd, layout: Layout) -> Result<Mapped, Error> {
    let size = layout.size();
    check(fd, size as u64).map_err(|what| {
        let text = format!("the memory that the server passed is refused: {what}");
        Error::new(Code::ProtocolViolation, Fate::NotSent, text)
    })?;
    map(fd.as_fd(), size).map_err(|errno| match errno {
        Errno::PERM | Errno::ACCESS => {
            let text = "the memory that the server passed is refused: it cannot be written";
            Error::new(Code::ProtocolViolation, Fate::NotSent, text)
        }
        _ => exhausted(size, errno),
    })
}

fn check(fd: &OwnedFd, size: u64) -> Result<(), String> {
    let found = fstat(fd).map_err(|errno| errno.to_string())?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is not memory".to_owned());
    }
    let system = fstatfs(fd).map_err(|errno| errno.to_string())?;
    if system.f_type as u64 != TMPFS_MAGIC {
        return Err("it is not a memfd of ordinary pages".to_owned());
    }
    let seals = fcntl_get_seals(fd).map_err(|_| "it cannot be sealed".to_owned())?;
    if !seals.contains(SEALS) {
        return Err("it is not sealed against a change of its size".to_owned());
    }
    // Looked at after the seals: from there on it stays.
    let found = fstat(fd).map_err(|errno| errno.to_string())?;
    match u64::try_from(found.st_size) {
        Ok(there) if there == size => Ok(()),
        there => Err(format!("it has {} bytes where {size} were agreed", there.unwrap_or(0))),
    }
}

/// Maps what has so many bytes, all of which are there.
pub(super) fn map(fd: BorrowedFd<'_>, len: usize) -> rustix::io::Result<Mapped> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without an address the kernel chooses a range that nothing uses.
    let base = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, fd, 0) }?;
    let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
    keep(Mapping { base, len, is_segment: false, origin: Origin::here() })
}

/// Maps a segment that has so many bytes.
pub(super) fn attach(id: i32, len: usize) -> rustix::io::Result<Mapped> {
    let base = segment::attach(id)?;
    keep(Mapping { base, len, is_segment: true, origin: Origin::here() })
}

fn keep(mapping: Mapping) -> rustix::io::Result<Mapped> {
    let Mapping { base, len, .. } = mapping;
    let mapping = Arc::new(mapping);
    // SAFETY: the range is the one just mapped. It is missing in later children only, which do not touch it.
    unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxDontFork) }?;
    // SAFETY: the range has `len` bytes that can be read and written until the drop of `mapping`; that they are really there
    // is what whoever made or checked the memory has seen to. This address is given to nobody else.
    Ok(unsafe { Mapped::new(base, len, mapping) })
}

/// A mapped range, as long as it lives.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    is_segment: bool,
    origin: Origin,
}

// SAFETY: the range belongs to no thread; only the drop uses the address.
unsafe impl Send for Mapping {}

// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // A forked child has no such mapping, and may have something else in its place.
        if self.origin.is_elsewhere() {
            return;
        }
        if self.is_segment {
            // SAFETY: it was attached by this process, and with the last `Mapped` the last use of it is over.
            unsafe { segment::detach(self.base) };
            return;
        }
        // SAFETY: the range was mapped by this process, and with the last `Mapped` the last use of it is over.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn layout() -> Layout {
        Layout::new(128 * 1024).unwrap()
    }

    /// Memory that misses something, and the words with which it is refused.
    fn refusal(fd: &OwnedFd) -> String {
        let error = adopt(fd, layout()).unwrap_err();
        assert_eq!(error.code(), Code::ProtocolViolation);
        error.to_string()
    }

    fn sized(size: usize, seals: SealFlags) -> OwnedFd {
        let fd = fresh().unwrap();
        ftruncate(&fd, size as u64).unwrap();
        fcntl_add_seals(&fd, seals).unwrap();
        fd
    }

    #[test]
    fn r1_what_is_made_is_sealed_and_is_adopted() {
        let (fd, made) = make(layout()).unwrap();
        assert!(ftruncate(&fd, 1).is_err() && ftruncate(&fd, 1 << 30).is_err());
        assert!(fcntl_add_seals(&fd, SealFlags::WRITE).is_err());
        let adopted = adopt(&fd, layout()).unwrap();
        drop((fd, made));
        drop(adopted);
    }

    #[test]
    fn r1_all_pages_are_there_from_the_beginning() {
        let (fd, _made) = make(layout()).unwrap();
        assert!(fstat(&fd).unwrap().st_blocks as u64 * 512 >= layout().size() as u64);
    }

    #[test]
    fn r1_unsealed_memory_is_refused() {
        let size = layout().size();
        assert!(refusal(&sized(size, SealFlags::empty())).contains("not sealed"));
        assert!(refusal(&sized(size, SealFlags::SHRINK | SealFlags::SEAL)).contains("not sealed"));
        assert!(refusal(&sized(size, SealFlags::SHRINK | SealFlags::GROW)).contains("not sealed"));
    }

    #[test]
    fn r1_memory_of_another_size_is_refused() {
        let size = layout().size();
        assert!(refusal(&sized(size - 1, SEALS)).contains(&format!("{} bytes", size - 1)));
        assert!(refusal(&sized(size + 4096, SEALS)).contains(&format!("{} bytes", size + 4096)));
        assert!(refusal(&sized(0, SEALS)).contains("0 bytes"));
    }

    #[test]
    fn r1_what_is_no_memory_is_refused() {
        let mut file = tempfile::tempfile_in("/var/tmp").unwrap();
        file.write_all(&vec![0; layout().size()]).unwrap();
        assert!(refusal(&file.into()).contains("it "));
        let (read, _write) = std::io::pipe().unwrap();
        assert!(refusal(&read.into()).contains("not memory"));
        assert!(refusal(&std::fs::File::open("/dev/null").unwrap().into()).contains("not memory"));
    }

    #[test]
    fn r1_memory_that_cannot_be_written_is_refused() {
        let fd = fresh().unwrap();
        ftruncate(&fd, layout().size() as u64).unwrap();
        fcntl_add_seals(&fd, SEALS | SealFlags::WRITE).unwrap();
        assert!(refusal(&fd).contains("cannot be written"));
    }
}
