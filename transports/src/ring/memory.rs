//! The one door to the region: words by atomic operations, bytes by copies, nothing by reference.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, fence};

use super::sites::{Fence, Load, Store};

mod copy;

/// A region that others may write at any time.
///
/// **Implementers**: no access reaches beyond the region, whatever is asked for; panic instead.
pub(crate) trait Memory {
    /// The word at `at`, a multiple of four.
    fn load(&self, at: usize, site: Load) -> u32;
    /// Writes the word at `at`, a multiple of four.
    fn store(&self, at: usize, value: u32, site: Store);
    /// Orders what stands before it and what stands after it.
    fn fence(&self, site: Fence);
    /// Writes bytes, in no order.
    fn copy_in(&self, at: usize, bytes: &[u8]);
    /// Appends `len` bytes of the region, each as it was at some moment.
    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>);
    /// A hint: the line at `at` will soon be written.
    fn will_write(&self, at: usize) {
        let _ = at;
    }
}

impl<M: Memory + ?Sized> Memory for Arc<M> {
    fn load(&self, at: usize, site: Load) -> u32 {
        M::load(self, at, site)
    }

    fn store(&self, at: usize, value: u32, site: Store) {
        M::store(self, at, value, site);
    }

    fn fence(&self, site: Fence) {
        M::fence(self, site);
    }

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        M::copy_in(self, at, bytes);
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        M::copy_out(self, at, len, into);
    }

    fn will_write(&self, at: usize) {
        M::will_write(self, at);
    }
}

/// Mapped memory. Clones stand for the same memory.
#[derive(Clone)]
pub(crate) struct Mapped {
    base: NonNull<u8>,
    len: usize,
    /// Keeps it mapped.
    _owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the memory belongs to no thread, and is only touched by operations that bear others beside them.
unsafe impl Send for Mapped {}

// SAFETY: as for `Send`; no operation needs `&mut`.
unsafe impl Sync for Mapped {}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({} bytes)", self.len)
    }
}

impl Mapped {
    /// The memory from `base` on.
    ///
    /// # Safety
    /// `len` bytes from `base` can be read and written as long as `owner` lives, there is no reference to any of them, and
    /// this process touches them through clones of the result only. Other processes may do with them what they like.
    ///
    /// # Panics
    /// If `base` is no multiple of 64, which every page is.
    pub(crate) unsafe fn new(base: NonNull<u8>, len: usize, owner: Arc<dyn Any + Send + Sync>) -> Self {
        assert!(base.addr().get().is_multiple_of(64), "a region begins on a line");
        Mapped { base, len, _owner: owner }
    }

    /// Where `len` bytes at `at` are, which are in the region.
    #[inline]
    fn place(&self, at: usize, len: usize) -> *mut u8 {
        assert!(at <= self.len && len <= self.len - at, "an access beyond the region");
        // SAFETY: `at` is not beyond the region, which `new` was promised to be one object.
        unsafe { self.base.as_ptr().add(at) }
    }

    /// Where the word at `at` is, which is in the region and aligned: the region begins on a line.
    #[inline]
    fn word(&self, at: usize) -> *mut u32 {
        // Turned by two bits, what is no multiple of four lies beyond every region: one comparison is enough for both.
        assert!(at.rotate_right(2) < self.len / 4, "a word stands at a multiple of four, in the region");
        // SAFETY: four bytes from `at` on are in the region, which `new` was promised to be one object.
        unsafe { self.base.as_ptr().add(at) }.cast()
    }
}

impl Memory for Mapped {
    #[inline]
    fn load(&self, at: usize, site: Load) -> u32 {
        // SAFETY: `word` is aligned and in the region; it is only touched by operations that bear others beside them.
        let word = unsafe { AtomicU32::from_ptr(self.word(at)) };
        word.load(site.ordering())
    }

    #[inline]
    fn store(&self, at: usize, value: u32, site: Store) {
        // SAFETY: as in `load`.
        let word = unsafe { AtomicU32::from_ptr(self.word(at)) };
        word.store(value, site.ordering());
    }

    #[inline]
    fn fence(&self, site: Fence) {
        fence(site.ordering());
    }

    #[inline]
    fn copy_in(&self, at: usize, bytes: &[u8]) {
        let place = self.place(at, bytes.len());
        // SAFETY: so many bytes are there, in the region and in `bytes`, and the two do not overlap.
        unsafe { copy::store(place, bytes.as_ptr(), bytes.len()) };
    }

    #[inline]
    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        let place = self.place(at, len);
        into.reserve(len);
        let end = into.spare_capacity_mut().as_mut_ptr().cast();
        // SAFETY: so many bytes are there, in the region and reserved in `into`, and the two do not overlap.
        unsafe { copy::load(place, end, len) };
        // SAFETY: these bytes have just been written.
        unsafe { into.set_len(into.len() + len) };
    }

    #[inline]
    fn will_write(&self, at: usize) {
        copy::will_write(self.place(at, 1));
    }
}
