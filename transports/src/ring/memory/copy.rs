//! Copies between private memory and memory that others may write at the same time.
//!
//! A plain copy would be a data race there. On x86-64 the shared side is read and written by assembly, which the compiler
//! does not look into; elsewhere, and in an interpreter, by relaxed atomics, word by word.

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(super) use machine::{load, store};
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(super) use words::{load, store};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod machine {
    //! By the processor's own moves.

    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

    /// Bytes from which the processor's string move is worth its start.
    const STRING: usize = 256;

    /// Writes `len` bytes to shared memory.
    ///
    /// # Safety
    /// `to` is shared memory of `len` bytes, `from` private memory of `len` bytes.
    #[inline]
    pub(in super::super) unsafe fn store(to: *mut u8, from: *const u8, len: usize) {
        if len >= STRING {
            // SAFETY: the caller's promise.
            unsafe { string(to, from, len) };
        } else if len >= 16 {
            let mut at = 0;
            while at < len {
                // The last move overlaps the one before it.
                let here = at.min(len - 16);
                // SAFETY: `here + 16 <= len`.
                let from = unsafe { from.add(here) };
                // SAFETY: as above.
                let to = unsafe { to.add(here) };
                // SAFETY: private memory, of which sixteen bytes are there; no alignment is asked for.
                let value: __m128i = unsafe { _mm_loadu_si128(from.cast()) };
                // SAFETY: sixteen bytes are there, and only assembly touches them.
                unsafe {
                    asm!("movups [{}], {}", in(reg) to, in(xmm_reg) value, options(nostack, preserves_flags))
                };
                at += 16;
            }
        } else {
            for at in 0..len {
                // SAFETY: `at < len`.
                let value = unsafe { from.add(at).read() };
                // SAFETY: `at < len`.
                let to = unsafe { to.add(at) };
                // SAFETY: the byte is there, and only assembly touches it.
                unsafe {
                    asm!("mov byte ptr [{}], {}", in(reg) to, in(reg_byte) value, options(nostack, preserves_flags))
                };
            }
        }
    }

    /// Reads `len` bytes of shared memory.
    ///
    /// # Safety
    /// `from` is shared memory of `len` bytes, `to` private memory of `len` bytes.
    #[inline]
    pub(in super::super) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
        if len >= STRING {
            // SAFETY: the caller's promise.
            unsafe { string(to, from, len) };
        } else if len >= 16 {
            let mut at = 0;
            while at < len {
                // The last move overlaps the one before it: some bytes are read twice, and the second reading counts.
                let here = at.min(len - 16);
                // SAFETY: `here + 16 <= len`.
                let from = unsafe { from.add(here) };
                // SAFETY: as above.
                let to = unsafe { to.add(here) };
                let value: __m128i;
                // SAFETY: sixteen bytes are there, and only assembly touches them.
                unsafe {
                    asm!("movups {}, [{}]", out(xmm_reg) value, in(reg) from, options(nostack, preserves_flags, readonly))
                };
                // SAFETY: private memory, in which sixteen bytes have room; no alignment is asked for.
                unsafe { _mm_storeu_si128(to.cast(), value) };
                at += 16;
            }
        } else {
            for at in 0..len {
                // SAFETY: `at < len`.
                let from = unsafe { from.add(at) };
                let value: u8;
                // SAFETY: the byte is there, and only assembly touches it.
                unsafe {
                    asm!("mov {}, byte ptr [{}]", out(reg_byte) value, in(reg) from, options(nostack, preserves_flags, readonly))
                };
                // SAFETY: `at < len`.
                unsafe { to.add(at).write(value) };
            }
        }
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

#[cfg(any(test, not(all(target_arch = "x86_64", not(miri)))))]
mod words {
    //! By relaxed atomics: bytes up to the first word of the shared side, words, bytes.

    use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

    const WORD: usize = 4;

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
