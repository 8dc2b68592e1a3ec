//! What memory is made of, by choice: how each kind is made and taken, and what it can promise.
//!
//! | kind | its name | can it be cut short by whoever has it | up to which trust |
//! |---|---|---|---|
//! | memfd | never has one | no: it is sealed | hostile |
//! | System V | a key, until it is attached for the first time | no, but every process of the user can attach it | same user |
//! | POSIX | one in `/dev/shm`, for two system calls | yes: the next access then ends the program (`SIGBUS`) | trusted |
//! | file | never has one (`O_TMPFILE`) | yes, the same | trusted |
//!
//! Names that stand for a moment are of the server's [`Mark`], so that its successor removes what a kill left.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use farcall_core::wire::rendezvous::MemoryKind;
use farcall_core::{Code, Error, Fate, Trust};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fallocate, fstat, openat};
use rustix::io::{Errno, pwrite};
use rustix::process::geteuid;

use super::mapping;
use crate::mark::Mark;
use crate::ring::{Layout, Mapped};
use crate::sys::segment;

/// Bytes that are written at once where the file system does not allocate in advance.
const PIECE: usize = 64 * 1024;

/// Where the listening side takes memory from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) kind: MemoryKind,
    pub(super) mark: Mark,
    /// Where a file is made.
    pub(super) directory: PathBuf,
}

/// Memory for a connection.
pub(super) struct Made {
    /// By what the other side maps it, unless it is a segment.
    pub(super) fd: Option<OwnedFd>,
    /// The segment's number; 0 of other memory.
    pub(super) segment: u32,
    pub(super) memory: Mapped,
}

/// The word for it: in a URL, where there is one.
pub(super) fn word(kind: MemoryKind) -> &'static str {
    match kind {
        MemoryKind::Memfd => "memory=memfd",
        MemoryKind::Posix => "memory=posix",
        MemoryKind::SystemV => "memory=sysv",
        MemoryKind::File => "a mapped file",
    }
}

/// What a client that insists on memory of another kind than what is served should do.
pub(super) fn instead(asked: MemoryKind) -> String {
    match asked {
        MemoryKind::File => "connect with shm:".to_owned(),
        kind => format!("connect without {}", word(kind)),
    }
}

/// Whether memory of this kind may be shared with somebody who is believed no more than this.
///
/// # Errors
/// A sentence that says why not.
pub(super) fn allows(kind: MemoryKind, trust: Trust) -> Result<(), Error> {
    let why = match kind {
        MemoryKind::Memfd => return Ok(()),
        MemoryKind::SystemV if trust <= Trust::SameUser => return Ok(()),
        MemoryKind::Posix | MemoryKind::File if trust == Trust::Trusted => return Ok(()),
        MemoryKind::SystemV => {
            "every process of the user can attach a segment; towards a hostile side serve memory=memfd, and leave \
             memory=sysv out"
        }
        MemoryKind::Posix => {
            "whoever has it can cut it short, which ends the programs that use it; write trust=trusted on both sides if \
             you trust both programs, else use memory=memfd on both"
        }
        MemoryKind::File => {
            "whoever has it can cut it short, which ends the programs that use it; write trust=trusted on both sides if \
             you trust both programs, else use shm: on both"
        }
    };
    Err(Error::new(Code::PermissionDenied, Fate::NotSent, said_of(kind, why)))
}

/// A sentence about memory of this kind.
fn said_of(kind: MemoryKind, what: &str) -> String {
    format!("{}: {what}", word(kind))
}

impl Source {
    /// New memory, all zero and really there.
    ///
    /// # Errors
    /// `ResourceExhausted` with the size, or why this kind cannot be had here.
    pub(super) fn make(&self, layout: Layout) -> Result<Made, Error> {
        let size = layout.size();
        let made = match self.kind {
            MemoryKind::Memfd => {
                let (fd, memory) = mapping::make(layout)?;
                return Ok(Made { fd: Some(fd), segment: 0, memory });
            }
            MemoryKind::Posix => self.object().and_then(|fd| whole(fd, size)),
            MemoryKind::File => self.file().and_then(|fd| whole(fd, size)),
            MemoryKind::SystemV => self.segment(size),
        };
        made.map_err(|errno| self.explain(size, errno))
    }

    fn object(&self) -> rustix::io::Result<OwnedFd> {
        use rustix::shm::OFlags;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = rustix::shm::open(self.mark.name(), flags, Mode::RUSR | Mode::WUSR)?;
        rustix::shm::unlink(self.mark.name())?;
        Ok(fd)
    }

    fn file(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(CWD, &self.directory, flags, Mode::RUSR | Mode::WUSR)
    }

    fn segment(&self, size: usize) -> rustix::io::Result<Made> {
        let id = segment::create(self.mark.key(), size)?;
        // Marked at once: on Linux it can be attached all the same, and ends with the last who has it.
        let memory = mapping::attach(id, size);
        segment::remove(id)?;
        Ok(Made { fd: None, segment: id.cast_unsigned(), memory: memory? })
    }

    fn explain(&self, size: usize, errno: Errno) -> Error {
        let error = |code, why: &str| {
            let text = said_of(self.kind, why);
            Error::new(code, Fate::NotSent, text).with_source(std::io::Error::from(errno))
        };
        match (self.kind, errno) {
            (MemoryKind::File, Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => error(
                Code::Unsupported,
                "its file system makes no files without a name; choose another directory, or shm:",
            ),
            (MemoryKind::Posix | MemoryKind::SystemV, Errno::EXIST) => error(
                Code::PermissionDenied,
                "somebody has planted something under our name, and it is not used; start the server again, it takes another name",
            ),
            (MemoryKind::SystemV, Errno::NOSPC | Errno::INVAL) => error(
                Code::ResourceExhausted,
                "the kernel has no room for such a segment; raise kernel.shmmni, kernel.shmall or kernel.shmmax, or take \
                 memory=memfd",
            ),
            (_, Errno::NOSYS) => error(Code::Unsupported, "this kernel has none; take memory=memfd"),
            _ => mapping::exhausted(size, errno),
        }
    }
}

/// Allocates the file in full, then maps it.
fn whole(fd: OwnedFd, size: usize) -> rustix::io::Result<Made> {
    match mapping::fill(&fd, size as u64) {
        Err(Errno::OPNOTSUPP) => write_zeros(&fd, size)?,
        filled => filled?,
    }
    let memory = mapping::map(fd.as_fd(), size)?;
    Ok(Made { fd: Some(fd), segment: 0, memory })
}

fn write_zeros(fd: &OwnedFd, size: usize) -> rustix::io::Result<()> {
    let zeros = vec![0; PIECE.min(size)];
    let mut written = 0;
    while written < size {
        let piece = &zeros[..zeros.len().min(size - written)];
        written += rustix::io::retry_on_intr(|| pwrite(fd, piece, written as u64))?;
    }
    Ok(())
}

/// The memory that the other side has made: a descriptor, or the number of a segment.
///
/// # Errors
/// What is wrong with it: nothing was touched. `ResourceExhausted` if it cannot be mapped.
pub(super) fn adopt(
    kind: MemoryKind,
    fd: Option<&OwnedFd>,
    segment: u32,
    layout: Layout,
) -> Result<Mapped, Error> {
    let size = layout.size();
    let refuse = |what: &str| {
        let text = format!("the memory that the server passed is refused: {what}");
        Error::new(Code::ProtocolViolation, Fate::NotSent, text)
    };
    match (kind, fd) {
        (MemoryKind::Memfd, Some(fd)) => mapping::adopt(fd, layout),
        (MemoryKind::Posix | MemoryKind::File, Some(fd)) => {
            let found = fstat(fd).map_err(|errno| refuse(&errno.to_string()))?;
            check_file(&found, size).map_err(refuse)?;
            // Pages that are missing would be signals.
            let there = rustix::io::retry_on_intr(|| {
                fallocate(fd, rustix::fs::FallocateFlags::empty(), 0, size as u64)
            });
            match there {
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(Errno::BADF) => return Err(refuse("it cannot be written")),
                Err(errno) => return Err(mapping::exhausted(size, errno)),
            }
            mapping::map(fd.as_fd(), size).map_err(|errno| mapping::exhausted(size, errno))
        }
        (MemoryKind::SystemV, None) => {
            let id = segment.cast_signed();
            check_segment(id, size).map_err(refuse)?;
            let memory = mapping::attach(id, size).map_err(|errno| mapping::exhausted(size, errno))?;
            // While it is attached its number stands for nothing else.
            check_segment(id, size).map_err(refuse)?;
            Ok(memory)
        }
        _ => Err(refuse("it is not what was granted")),
    }
}

fn check_file(found: &Stat, size: usize) -> Result<(), &'static str> {
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err("it is no file");
    }
    if found.st_uid != geteuid().as_raw() && found.st_uid != 0 {
        return Err("it is another user's");
    }
    if found.st_nlink != 0 {
        return Err("it has a name, by which others can open it");
    }
    if u64::try_from(found.st_size) != Ok(size as u64) {
        return Err("it has not the size that was agreed");
    }
    Ok(())
}

fn check_segment(id: i32, size: usize) -> Result<(), &'static str> {
    let found = segment::status(id).map_err(|_| "there is no such segment")?;
    if found.uid != geteuid().as_raw() && found.uid != 0 {
        return Err("it is another user's");
    }
    if found.mode & 0o077 != 0 {
        return Err("others may attach it");
    }
    if found.size != size {
        return Err("it has not the size that was agreed");
    }
    if !found.is_doomed || found.attached == 0 {
        return Err("it would outlive its users");
    }
    Ok(())
}
