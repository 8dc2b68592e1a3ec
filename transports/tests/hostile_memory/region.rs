//! The memory of a connection as the attacker has it mapped: words that both sides write.

use std::os::fd::AsFd;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Mapped until it is dropped.
pub(crate) struct Region {
    /// Not really for ever: nobody else is given this.
    words: &'static [AtomicU32],
}

impl Region {
    /// Maps so many bytes, a multiple of four, of memory whose size is sealed.
    pub(crate) fn map(memory: impl AsFd, bytes: usize) -> Region {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: without an address the kernel chooses a range that nothing uses.
        let base = unsafe { mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, memory, 0) };
        let base = base.expect("the memory can be mapped").cast::<AtomicU32>();
        // SAFETY: so many bytes from `base` on are mapped until the drop, and touched as atomics only, which bear it that
        // other processes write them.
        let words = unsafe { slice::from_raw_parts(base, bytes / 4) };
        Region { words }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 4
    }

    pub(crate) fn load(&self, at: usize) -> u32 {
        self.words[at / 4].load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, at: usize, value: u32) {
        self.words[at / 4].store(value, Ordering::SeqCst);
    }

    /// Writes bytes at a multiple of four; what is missing of the last word is zero.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) {
        for (word, bytes) in self.words[at / 4..].iter().zip(bytes.chunks(4)) {
            let mut whole = [0; 4];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u32::from_le_bytes(whole), Ordering::Relaxed);
        }
    }

    /// Reads bytes at a multiple of four.
    pub(crate) fn read(&self, at: usize, bytes: usize) -> Vec<u8> {
        let words = &self.words[at / 4..][..bytes.div_ceil(4)];
        let mut read: Vec<u8> =
            words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        read.truncate(bytes);
        read
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let base = self.words.as_ptr().cast_mut().cast();
        // SAFETY: `map` has mapped this range, and whoever borrows from this is done.
        let _ = unsafe { munmap(base, self.words.len() * 4) };
    }
}
