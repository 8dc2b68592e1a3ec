//! Memory of this process, with plain copies: a race that the ring leaves open is one that tools can see.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, fence};

use super::super::memory::Memory;
use super::super::sites::{Fence, Load, Store};

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "it is only there to be room")] [u8; 64]);

/// A region on the heap, all zero.
pub(super) struct Heap(Box<[UnsafeCell<Line>]>);

// SAFETY: who may touch a byte when is what the ring decides; that it does so rightly is what tests show.
unsafe impl Sync for Heap {}

impl Heap {
    pub(super) fn new(bytes: usize) -> Self {
        Heap((0..bytes.div_ceil(64)).map(|_| UnsafeCell::new(Line([0; 64]))).collect())
    }

    fn place(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at + len <= self.0.len() * 64, "an access beyond the region");
        // SAFETY: not beyond the slice.
        unsafe { self.0.as_ptr().cast::<u8>().cast_mut().add(at) }
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4));
        // SAFETY: aligned, in the slice, and valid as long as `self`.
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
        unsafe { place.copy_to_nonoverlapping(into.as_mut_ptr().add(into.len()), len) };
        // SAFETY: they have just been written.
        unsafe { into.set_len(into.len() + len) };
    }
}
