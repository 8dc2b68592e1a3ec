//! Copies between private memory and memory that others may write at the same time.
//!
//! A plain copy would be a data race there. On x86-64 the shared side is read and written by assembly, which the compiler
//! does not look into; elsewhere, and in an interpreter, by relaxed atomics, word by word.

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) use machine::{load, store, will_write};
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(super) use words::{load, store, will_write};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod machine {
    //! By the processor's own moves: sixteen bytes at a time, of which the last may overlap the one before; what is short by
    //! words that do not overlap, since it has just been written so, or is about to be read so: what was stored in one piece
    //! the processor forwards to who loads it or a part of it, what was stored in two it does not.

    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _MM_HINT_ET0, _mm_prefetch};

    /// Bytes from which the processor's string move is worth its start.
    const STRING: usize = 384;

    /// Bytes from which moves of sixteen are used.
    const LONG: usize = 64;

    /// Whether the string move is to be avoided: where the destination stands, within its page, a little behind the source,
    /// it takes up to sixteen times as long on some processors.
    #[inline]
    fn is_trap(to: *const u8, from: *const u8) -> bool {
        (1..64).contains(&(to.addr().wrapping_sub(from.addr()) % 4096))
    }

    /// How many bytes a move takes.
    trait Moved: Copy {
        /// # Safety
        /// So many bytes of shared memory are there.
        unsafe fn store(self, to: *mut u8);
        /// # Safety
        /// So many bytes of shared memory are there.
        unsafe fn load(from: *const u8) -> Self;
    }

    macro_rules! moved {
        ($type:ty, $class:ident, $store:literal, $load:literal) => {
            impl Moved for $type {
                #[inline(always)]
                unsafe fn store(self, to: *mut u8) {
                    // SAFETY: the caller's promise; no alignment is asked for, and nothing else is touched.
                    unsafe { asm!($store, in(reg) to, in($class) self, options(nostack, preserves_flags)) };
                }

                #[inline(always)]
                unsafe fn load(from: *const u8) -> Self {
                    let value: $type;
                    // SAFETY: the caller's promise; no alignment is asked for, and nothing is written but the register.
                    unsafe {
                        asm!($load, out($class) value, in(reg) from, options(nostack, preserves_flags, readonly))
                    };
                    value
                }
            }
        };
    }

    moved!(__m128i, xmm_reg, "movups [{}], {}", "movups {}, [{}]");
    moved!(u64, reg, "mov [{}], {}", "mov {}, [{}]");
    moved!(u32, reg, "mov [{}], {:e}", "mov {:e}, [{}]");
    moved!(u8, reg_byte, "mov [{}], {}", "mov {}, [{}]");

    /// Writes `len` bytes to shared memory.
    ///
    /// # Safety
    /// `to` is shared memory of `len` bytes, `from` private memory of `len` bytes.
    #[inline]
    pub(in super::super) unsafe fn store(to: *mut u8, from: *const u8, len: usize) {
        match len {
            // SAFETY: the caller's promise.
            STRING.. if !is_trap(to, from) => unsafe { string(to, from, len) },
            // SAFETY: the caller's promise: each move lies within.
            LONG.. => by_moves(len, |at| unsafe { store_at::<__m128i>(to, from, at) }),
            _ => by_words(
                len,
                // SAFETY: the caller's promise: each word lies within.
                |at| unsafe { store_at::<u64>(to, from, at) },
                // SAFETY: as above.
                |at| unsafe { store_at::<u32>(to, from, at) },
                // SAFETY: as above.
                |at| unsafe { store_at::<u8>(to, from, at) },
            ),
        }
    }

    /// Asks for a line to be had by this processor alone.
    #[inline]
    pub(in super::super) fn will_write(line: *mut u8) {
        // SAFETY: a hint reads and writes nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.cast_const().cast()) };
    }

    /// Reads `len` bytes of shared memory; where moves overlap the second reading counts.
    ///
    /// # Safety
    /// `from` is shared memory of `len` bytes, `to` private memory of `len` bytes.
    #[inline]
    pub(in super::super) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
        match len {
            // SAFETY: the caller's promise.
            STRING.. if !is_trap(to, from) => unsafe { string(to, from, len) },
            // SAFETY: the caller's promise: each move lies within.
            LONG.. => by_moves(len, |at| unsafe { load_at::<__m128i>(from, to, at) }),
            _ => by_words(
                len,
                // SAFETY: the caller's promise: each word lies within.
                |at| unsafe { load_at::<u64>(from, to, at) },
                // SAFETY: as above.
                |at| unsafe { load_at::<u32>(from, to, at) },
                // SAFETY: as above.
                |at| unsafe { load_at::<u8>(from, to, at) },
            ),
        }
    }

    /// Where moves of sixteen begin; one fits, and the last may overlap the one before.
    #[inline(always)]
    fn by_moves(len: usize, mut move_at: impl FnMut(usize)) {
        let mut at = 0;
        while at < len {
            move_at(at.min(len - size_of::<__m128i>()));
            at += size_of::<__m128i>();
        }
    }

    /// Where words of eight begin, then perhaps one of four, then bytes; none overlap.
    #[inline(always)]
    fn by_words(
        len: usize,
        mut eight_at: impl FnMut(usize),
        four_at: impl FnOnce(usize),
        mut byte_at: impl FnMut(usize),
    ) {
        let mut at = 0;
        while at + size_of::<u64>() <= len {
            eight_at(at);
            at += size_of::<u64>();
        }
        if at + size_of::<u32>() <= len {
            four_at(at);
            at += size_of::<u32>();
        }
        while at < len {
            byte_at(at);
            at += 1;
        }
    }

    /// # Safety
    /// A move's bytes are there at `at`: in shared memory at `to`, in private memory at `from`.
    #[inline(always)]
    unsafe fn store_at<T: Moved>(to: *mut u8, from: *const u8, at: usize) {
        // SAFETY: the caller's promise.
        let from = unsafe { from.add(at) };
        // SAFETY: as above, and it is private memory.
        let value = unsafe { from.cast::<T>().read_unaligned() };
        // SAFETY: as above.
        let to = unsafe { to.add(at) };
        // SAFETY: as above.
        unsafe { value.store(to) };
    }

    /// # Safety
    /// A move's bytes are there at `at`: in shared memory at `from`, in private memory at `to`.
    #[inline(always)]
    unsafe fn load_at<T: Moved>(from: *const u8, to: *mut u8, at: usize) {
        // SAFETY: the caller's promise.
        let from = unsafe { from.add(at) };
        // SAFETY: as above.
        let value = unsafe { T::load(from) };
        // SAFETY: as above.
        let to = unsafe { to.add(at) };
        // SAFETY: as above, in private memory.
        unsafe { to.cast::<T>().write_unaligned(value) };
    }

    /// # Safety
    /// `len` bytes are there at both, which do not overlap.
    #[inline]
    unsafe fn string(to: *mut u8, from: *const u8, len: usize) {
        // SAFETY: the caller's promise; the direction flag is clear, as everywhere.
        unsafe {
            asm!(
                "rep movsb",
                inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
                options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod words {
    //! By relaxed atomics: bytes up to the first word of the shared side, words, bytes.

    use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

    const WORD: usize = 4;

    /// Nothing can be asked for here.
    pub(in super::super) fn will_write(_: *mut u8) {}

    /// How many bytes stand before the first whole word, and how many in whole words.
    fn split(shared: *const u8, len: usize) -> (usize, usize) {
        let before = shared.addr().wrapping_neg() % WORD;
        let before = before.min(len);
        (before, (len - before) / WORD * WORD)
    }

    /// Writes `len` bytes to shared memory.
    ///
    /// # Safety
    /// `to` is shared memory of `len` bytes, `from` private memory of `len` bytes.
    pub(in super::super) unsafe fn store(to: *mut u8, from: *const u8, len: usize) {
        let (before, words) = split(to, len);
        let mut at = 0;
        while at < len {
            // SAFETY: `at < len`.
            let to = unsafe { to.add(at) };
            // SAFETY: `at < len`.
            let from = unsafe { from.add(at) };
            if (before..before + words).contains(&at) {
                // SAFETY: a whole word is there, which is aligned, and only atomics touch it.
                let word = unsafe { AtomicU32::from_ptr(to.cast()) };
                // SAFETY: private memory, of which a whole word is there.
                word.store(unsafe { from.cast::<u32>().read_unaligned() }, Relaxed);
                at += WORD;
            } else {
                // SAFETY: a byte is there, and only atomics touch it.
                let byte = unsafe { AtomicU8::from_ptr(to) };
                // SAFETY: private memory, of which a byte is there.
                byte.store(unsafe { from.read() }, Relaxed);
                at += 1;
            }
        }
    }

    /// Reads `len` bytes of shared memory.
    ///
    /// # Safety
    /// `from` is shared memory of `len` bytes, `to` private memory of `len` bytes.
    pub(in super::super) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
        let (before, words) = split(from, len);
        let mut at = 0;
        while at < len {
            // SAFETY: `at < len`.
            let to = unsafe { to.add(at) };
            // SAFETY: `at < len`.
            let from = unsafe { from.add(at) };
            if (before..before + words).contains(&at) {
                // SAFETY: a whole word is there, which is aligned, and only atomics touch it.
                let word = unsafe { AtomicU32::from_ptr(from.cast_mut().cast()) };
                // SAFETY: private memory, in which a whole word has room.
                unsafe { to.cast::<u32>().write_unaligned(word.load(Relaxed)) };
                at += WORD;
            } else {
                // SAFETY: a byte is there, and only atomics touch it.
                let byte = unsafe { AtomicU8::from_ptr(from.cast_mut()) };
                // SAFETY: private memory, in which a byte has room.
                unsafe { to.write(byte.load(Relaxed)) };
                at += 1;
            }
        }
    }
}
