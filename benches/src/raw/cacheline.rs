//! The probe: one cache line, written by two processes in turn while both spin.

use std::hint::spin_loop;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::measure::{Sample, measure};
use crate::peer::{Part, Peer};

/// One page: the smallest thing that two processes can share.
const PAGE: usize = 4096;
/// Round trips between two looks at the clock, which costs as much as a trip.
const BATCH: u32 = 100;
/// A peer that is silent so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The client: writes odd numbers, waits for the even ones.
pub(crate) fn call(part: &Part, slice: Duration) -> io::Result<Sample> {
    let memory = memfd_create("farcall-bench", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, PAGE as u64)?;
    let page = Page::map(&memory)?;
    let server = Peer::start(part, Stdio::from(memory), Stdio::null())?;
    let word = page.word();
    let mut turn = 0_u32;
    measure(server.pid(), slice, |length, tally| {
        let start = Instant::now();
        let mut before = start;
        while before - start < length {
            for _ in 0..BATCH {
                word.store(turn.wrapping_add(1), Ordering::Release);
                turn = turn.wrapping_add(2);
                await_value(word, turn)?;
            }
            let after = Instant::now();
            tally.record_many(after - before, BATCH);
            before = after;
        }
        Ok(())
    })
}

/// The server: answers every odd number with the even one after it, until it is killed.
pub(crate) fn serve() -> io::Result<()> {
    let page = Page::map(&io::stdin().as_fd().try_clone_to_owned()?)?;
    let word = page.word();
    let mut turn = 0_u32;
    loop {
        await_value(word, turn.wrapping_add(1))?;
        turn = turn.wrapping_add(2);
        word.store(turn, Ordering::Release);
    }
}

fn await_value(word: &AtomicU32, value: u32) -> io::Result<()> {
    for _ in 0..1 << 16 {
        if word.load(Ordering::Acquire) == value {
            return Ok(());
        }
        spin_loop();
    }
    await_value_slowly(word, value)
}

#[cold]
fn await_value_slowly(word: &AtomicU32, value: u32) -> io::Result<()> {
    let start = Instant::now();
    while word.load(Ordering::Acquire) != value {
        if start.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        spin_loop();
    }
    Ok(())
}

/// A page of memory that two processes share.
#[derive(Debug)]
struct Page {
    address: NonNull<AtomicU32>,
}

impl Page {
    fn map(memory: &OwnedFd) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let address = unsafe { mmap(ptr::null_mut(), PAGE, protection, MapFlags::SHARED, memory, 0) }?;
        let address = NonNull::new(address.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self { address })
    }

    /// The word at the start of the page, which only atomic operations touch, in both processes.
    fn word(&self) -> &AtomicU32 {
        // SAFETY: the mapping is page-aligned, zeroed by the kernel, and stays while `self` is borrowed.
        unsafe { self.address.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: `map` made exactly this mapping, and no borrow of it outlives `self`.
        let unmapped = unsafe { munmap(self.address.as_ptr().cast(), PAGE) };
        debug_assert!(unmapped.is_ok(), "munmap refuses only addresses that are not page-aligned");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_show_the_same_word() {
        let memory = memfd_create("farcall-bench-test", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&memory, PAGE as u64).unwrap();
        let pages = [Page::map(&memory).unwrap(), Page::map(&memory).unwrap()];
        pages[0].word().store(7, Ordering::Release);
        assert_eq!(pages[1].word().load(Ordering::Acquire), 7);
    }
}
