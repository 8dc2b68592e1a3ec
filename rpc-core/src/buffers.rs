//! Buffers that are used again: fresh pages cost more than copies.
//!
//! Each thread keeps a few; a buffer may be given back on another thread than the one that took it.

use std::cell::{Cell, RefCell};

use crate::limits::BUFFER_CACHE;

/// Buffers up to this capacity are small: any of them serves any small message.
const SMALL: usize = 16 * 1024;

/// Small buffers that one thread keeps: a full default window of requests.
const SMALL_KEPT: usize = 256;

/// Bytes of the buffer into which a stream is read.
pub(crate) const SCRATCH: usize = 128 * 1024;

struct Cache {
    small: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
    large_bytes: usize,
    scratch: Option<Box<[u8]>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = const {
        RefCell::new(Cache { small: Vec::new(), large: Vec::new(), large_bytes: 0, scratch: None })
    };
    /// The small buffer that was given back last: one call after the other takes and gives the same ones.
    static LAST: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, if possible one with room for `size` bytes.
#[inline(always)]
pub(crate) fn take(size: usize) -> Vec<u8> {
    if size <= SMALL
        && let Ok(last) = LAST.try_with(Cell::take)
        && last.capacity() > 0
    {
        return last;
    }
    take_another(size)
}

#[inline(never)]
fn take_another(size: usize) -> Vec<u8> {
    let size = size.clamp(64, BUFFER_CACHE.0);
    let fresh = || Vec::with_capacity(size);
    with(|cache| cache.take(size)).unwrap_or_else(fresh)
}

/// Gives a buffer back; its contents are forgotten.
#[inline(always)]
pub(crate) fn give(mut buf: Vec<u8>) {
    if buf.capacity() == 0 {
        return;
    }
    buf.clear();
    if buf.capacity() > SMALL {
        return keep(buf);
    }
    if let Ok(last) = LAST.try_with(|last| last.replace(buf))
        && last.capacity() > 0
    {
        keep(last);
    }
}

#[inline(never)]
fn keep(buf: Vec<u8>) {
    with(|cache| {
        cache.give(buf);
        None::<()>
    });
}

/// Distances from source to destination, within a page, at which some processors copy in one go many times slower.
const TRAP: std::ops::Range<usize> = 1..64;

/// What is copied at a time where there is such a trap: the C library copies so little by ordinary moves.
const STEP: usize = 2 * 1024;

/// Appends bytes, which may be many.
#[inline(always)]
pub(crate) fn append(buf: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() > STEP {
        append_many(buf, bytes);
    } else {
        buf.extend_from_slice(bytes);
    }
}

#[inline(never)]
fn append_many(buf: &mut Vec<u8>, bytes: &[u8]) {
    buf.reserve(bytes.len());
    let distance = buf.as_ptr().addr().wrapping_add(buf.len()).wrapping_sub(bytes.as_ptr().addr());
    if TRAP.contains(&(distance % 4096)) {
        bytes.chunks(STEP).for_each(|chunk| buf.extend_from_slice(chunk));
    } else {
        buf.extend_from_slice(bytes);
    }
}

/// The thread's reading buffer, [`SCRATCH`] bytes.
pub(crate) fn take_scratch() -> Box<[u8]> {
    with(|cache| cache.scratch.take()).unwrap_or_else(|| vec![0; SCRATCH].into_boxed_slice())
}

/// Gives the reading buffer back.
pub(crate) fn give_scratch(scratch: Box<[u8]>) {
    with(|cache| {
        cache.scratch = Some(scratch);
        None::<()>
    });
}

/// `None` also while the thread is going down.
fn with<R>(f: impl FnOnce(&mut Cache) -> Option<R>) -> Option<R> {
    CACHE.try_with(|cache| f(&mut cache.borrow_mut())).ok().flatten()
}

impl Cache {
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        if size <= SMALL { self.small.pop() } else { self.take_large(size) }
    }

    fn take_large(&mut self, size: usize) -> Option<Vec<u8>> {
        let at = self.large.iter().rposition(|buf| serves(buf, size))?;
        let buf = self.large.remove(at);
        self.large_bytes -= buf.capacity();
        Some(buf)
    }

    fn give(&mut self, buf: Vec<u8>) {
        if buf.capacity() > SMALL {
            self.give_large(buf);
        } else if self.small.len() < SMALL_KEPT {
            self.small.push(buf);
        }
    }

    fn give_large(&mut self, buf: Vec<u8>) {
        let size = buf.capacity();
        if size > BUFFER_CACHE.0 {
            return;
        }
        // What has been used last is what the processor has at hand: it had better go back to the allocator, to be had from
        // there again, than one like it that has lain here for longest.
        let is_full = self.large_bytes + size > BUFFER_CACHE.1;
        if is_full && self.large.first().is_some_and(|oldest| serves(oldest, size)) {
            return;
        }
        while self.large_bytes + size > BUFFER_CACHE.1 {
            self.large_bytes -= self.large.remove(0).capacity();
        }
        self.large_bytes += size;
        self.large.push(buf);
    }
}

/// Whether a buffer has room for so many bytes, and not so much that most of it would lie idle with who keeps them.
fn serves(buf: &Vec<u8>, size: usize) -> bool {
    (size..=size.saturating_mul(2)).contains(&buf.capacity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_given_back_is_taken_again() {
        let mut buf = take(10);
        buf.extend_from_slice(b"0123456789");
        let at = buf.as_ptr();
        give(buf);
        let again = take(10);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
    }

    #[test]
    fn a_large_request_never_gets_a_small_buffer() {
        give(Vec::with_capacity(100));
        assert!(take(100_000).capacity() >= 100_000);
    }

    #[test]
    fn bytes_are_appended_whole_at_every_distance_from_where_they_stand() {
        let source: Vec<u8> = (0..3 * STEP).map(|at| (at * 7) as u8).collect();
        let mut buf = vec![1; 4096];
        buf.reserve(4096 + source.len());
        let page = |at: *const u8| at.addr() % 4096;
        for distance in [0, 1, 5, 15, 16, 63, 64, 4095] {
            buf.clear();
            buf.resize((page(source.as_ptr()) + distance + 4096 - page(buf.as_ptr())) % 4096, 1);
            let before = buf.len();
            append(&mut buf, &source);
            assert!(buf[before..] == source, "{distance}");
            assert!(buf[..before].iter().all(|byte| *byte == 1));
        }
    }

    #[test]
    fn huge_buffers_are_not_kept() {
        give(Vec::with_capacity(BUFFER_CACHE.0 + 1));
        assert!(CACHE.with(|cache| cache.borrow().large.is_empty()));
    }

    #[test]
    fn a_buffer_is_not_lent_for_less_than_half_of_it() {
        give(Vec::with_capacity(1_000_000));
        assert!(take(400_000).capacity() < 1_000_000);
        assert_eq!(take(500_000).capacity(), 1_000_000);
    }

    #[test]
    fn what_is_larger_than_any_that_is_kept_gets_the_largest() {
        let (most, _) = BUFFER_CACHE;
        give(Vec::with_capacity(most));
        let kept = || CACHE.with(|cache| cache.borrow().large.len());
        assert_eq!((take(3 * most).capacity(), kept()), (most, 0));
    }

    #[test]
    fn where_all_are_kept_one_more_goes_if_the_oldest_is_like_it_and_otherwise_takes_its_place() {
        let sizes = || CACHE.with(|cache| cache.borrow().large.iter().map(Vec::capacity).collect::<Vec<_>>());
        let (most, all) = BUFFER_CACHE;
        let count = all / most;
        let give_one = |size| give(Vec::with_capacity(size));
        (0..count + 1).for_each(|_| give_one(most));
        assert_eq!(sizes(), vec![most; count]);
        give_one(100_000);
        assert_eq!(sizes(), [vec![most; count - 1], vec![100_000]].concat());
        (0..all / 100_000).for_each(|_| give_one(100_000));
        assert!(sizes().iter().all(|size| *size == 100_000), "what is not used any more has gone");
        let kept = CACHE.with(|cache| cache.borrow().large_bytes);
        assert_eq!(kept, sizes().iter().sum::<usize>());
    }
}
