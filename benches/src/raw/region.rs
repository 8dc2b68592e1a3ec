//! Memory that client and server share: made by the client, inherited by the server as its stdin.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Two lines of the cache, which a core may fetch together: what two writers keep between them.
pub(super) const LINE: usize = 128;

/// A mapping of shared memory, zeroed by the kernel.
///
/// Both processes are this program. They agree which words are only touched atomically, and which bytes belong to whom
/// until such a word hands them over.
#[derive(Debug)]
pub(super) struct Region {
    address: NonNull<u8>,
    size: usize,
}

impl Region {
    /// New memory, and the descriptor by which the other process maps it.
    pub(super) fn create(size: usize) -> io::Result<(Self, OwnedFd)> {
        let memory = memfd_create("farcall-bench", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, size as u64)?;
        Ok((Self::map(&memory, size)?, memory))
    }

    /// The memory that the parent gave as stdin.
    pub(super) fn inherited(size: usize) -> io::Result<Self> {
        Self::map(&io::stdin().as_fd().try_clone_to_owned()?, size)
    }

    /// The memory behind a descriptor that `create` gave.
    pub(super) fn map(memory: &OwnedFd, size: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let address = unsafe { mmap(ptr::null_mut(), size, protection, flags, memory, 0) }?;
        let address = NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self { address, size })
    }

    /// The word at that offset, which only atomic operations touch, in both processes.
    pub(super) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.size, "the layout lies within the region");
        // SAFETY: the offset was checked to lie within the mapping.
        let word = unsafe { self.address.add(offset) }.cast::<AtomicU32>();
        // SAFETY: the mapping is page-aligned, the offset a multiple of 4, and it stays while `self` is borrowed.
        unsafe { word.as_ref() }
    }

    /// Copies bytes to an offset that belongs to this process.
    pub(super) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.size - offset, "the layout lies within the region");
        // SAFETY: the offset was checked to lie within the mapping.
        let to = unsafe { self.address.add(offset) }.as_ptr();
        // SAFETY: both ranges are as long as `bytes`; the other process does not touch these until it is told.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    /// Copies bytes from an offset that belongs to this process.
    pub(super) fn copy_out(&self, offset: usize, buf: &mut [u8]) {
        assert!(buf.len() <= self.size - offset, "the layout lies within the region");
        // SAFETY: the offset was checked to lie within the mapping.
        let from = unsafe { self.address.add(offset) }.as_ptr();
        // SAFETY: both ranges are as long as `buf`; the other process does not touch these until it is told.
        unsafe { ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `map` made exactly this mapping, and no borrow of it outlives `self`.
        let unmapped = unsafe { munmap(self.address.as_ptr().cast(), self.size) };
        debug_assert!(unmapped.is_ok(), "munmap refuses only addresses that are not page-aligned");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn two_mappings_show_the_same_memory() {
        let (ours, memory) = Region::create(8192).unwrap();
        let theirs = Region::map(&memory, 8192).unwrap();
        ours.word(LINE).store(7, Ordering::Release);
        assert_eq!(theirs.word(LINE).load(Ordering::Acquire), 7);
        theirs.copy_in(5000, b"abc");
        let mut buf = [0; 3];
        ours.copy_out(5000, &mut buf);
        assert_eq!(&buf, b"abc");
    }
}
