//! Memory of this process, with plain copies: a race that the ring leaves open is one that tools can see.

use std::alloc::{self, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, fence};

use super::super::memory::Memory;
use super::super::sites::{Fence, Load, Store};

/// A region on the heap, all zero.
pub(super) struct Heap {
    base: NonNull<u8>,
    size: alloc::Layout,
}

// SAFETY: the memory belongs to no thread.
unsafe impl Send for Heap {}

// SAFETY: who may touch a byte when is what the ring decides; that it does so rightly is what tests show.
unsafe impl Sync for Heap {}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: `new` allocated it so, and nobody has it any more.
        unsafe { dealloc(self.base.as_ptr(), self.size) };
    }
}

impl Heap {
    pub(super) fn new(bytes: usize) -> Self {
        assert_ne!(bytes, 0);
        let size = alloc::Layout::from_size_align(bytes, 64).unwrap();
        // SAFETY: it is not empty.
        let base = unsafe { alloc_zeroed(size) };
        Heap { base: NonNull::new(base).unwrap(), size }
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn place(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at + len <= self.size.size(), "an access beyond the region");
        // SAFETY: not beyond the allocation.
        unsafe { self.base.as_ptr().add(at) }
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4));
        // SAFETY: aligned, in the allocation, and valid as long as `self`.
        unsafe { AtomicU32::from_ptr(self.place(at, 4).cast()) }
    }
}

impl Memory for Heap {
    fn load(&self, at: usize, site: Load) -> u32 {
        self.word(at).load(site.ordering())
    }

    fn store(&self, at: usize, value: u32, site: Store) {
        self.word(at).store(value, site.ordering());
    }

    fn fence(&self, site: Fence) {
        fence(site.ordering());
    }

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        let place = self.place(at, bytes.len());
        // SAFETY: both have so many bytes and do not overlap.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        let place = self.place(at, len);
        into.reserve(len);
        // SAFETY: both have so many bytes and do not overlap.
        unsafe { place.copy_to_nonoverlapping(into.spare_capacity_mut().as_mut_ptr().cast(), len) };
        // SAFETY: they have just been written.
        unsafe { into.set_len(into.len() + len) };
    }
}
