//! The ledger in which a server notes the calls that it has taken, and what its callers read there once it is dead.
//!
//! A line in memory instead of a slip to each caller: nothing is sent and nobody is woken for it. Only whoever made the ledger
//! can write to it; the descriptor that callers have reads.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use farcall_core::wire::mailbox::Id;
use farcall_core::wire::mailbox::ledger::{ENTRY_SIZE, Entry, HEAD, entries};
use rustix::fs::{SealFlags, fcntl_get_seals, fstat};

use crate::ring::{Mapped, Memory};
use crate::shm::publish;

/// Calls that can be noted at a time: more than a server takes at once, the others' verdicts found no room yet.
const LINES: u16 = 1023;

/// Bytes of a ledger that are read at most.
const MOST: usize = 1024 * 1024;

/// See the module.
pub(super) struct Ledger {
    fd: Arc<OwnedFd>,
    memory: Mapped,
    /// Lines that may be written over.
    free: Vec<u16>,
}

/// A line that is in use.
#[derive(Debug)]
pub(super) struct Line(u16);

impl Ledger {
    /// `None`: there is no memory for one, and slips say what it would.
    pub(super) fn new() -> Option<Self> {
        let (fd, memory) = publish((usize::from(LINES) + 1) * ENTRY_SIZE).ok()?;
        memory.copy_in(0, &HEAD);
        Some(Ledger { fd: Arc::new(fd), memory, free: (1..=LINES).rev().collect() })
    }

    /// What callers read it by.
    pub(super) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Notes a call; `None`: there is no room.
    pub(super) fn note(&mut self, caller: Id, call: u64) -> Option<Line> {
        // No call has this number; a line with it counts as empty.
        let line = if call == 0 { None } else { self.free.pop() }?;
        self.memory.copy_in(usize::from(line) * ENTRY_SIZE, &Entry { caller, call }.encode());
        Some(Line(line))
    }

    /// The verdict of that call is on its way, or nobody waits for it.
    pub(super) fn release(&mut self, line: Line) {
        self.free.push(line.0);
    }
}

/// The calls of this caller that are noted in a ledger whose server is dead.
pub(super) fn calls_of(caller: &Id, ledger: impl AsFd) -> Vec<u64> {
    // Only a memfd has seals: reading anything else could block.
    if !fcntl_get_seals(&ledger).is_ok_and(|seals| seals.contains(SealFlags::SHRINK)) {
        return Vec::new();
    }
    let size = fstat(&ledger).map_or(0, |found| usize::try_from(found.st_size).unwrap_or(0));
    let (mut bytes, mut have) = (vec![0; size.min(MOST)], 0);
    while have < bytes.len() {
        match rustix::io::pread(&ledger, &mut bytes[have..], have as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => have += read,
        }
    }
    entries(&bytes[..have]).filter(|entry| entry.caller == *caller).map(|entry| entry.call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_find_their_calls_and_nobody_else_can_write() {
        let mut ledger = Ledger::new().unwrap();
        let first = ledger.note([1; 16], 7).unwrap();
        ledger.note([2; 16], 8).unwrap();
        ledger.note([1; 16], 9).unwrap();
        let mut found = calls_of(&[1; 16], ledger.fd());
        found.sort_unstable();
        assert_eq!(found, [7, 9]);
        ledger.release(first);
        ledger.note([2; 16], 10).unwrap();
        assert_eq!(calls_of(&[1; 16], ledger.fd()), [9]);
        assert!(rustix::io::pwrite(ledger.fd(), &[1], 40).is_err());
        assert!(rustix::fs::ftruncate(ledger.fd(), 0).is_err());
    }

    #[test]
    fn a_full_ledger_says_so_and_a_stranger_is_not_read() {
        let mut ledger = Ledger::new().unwrap();
        assert!(ledger.note([1; 16], 0).is_none());
        let lines: Vec<_> = (1..=u64::from(LINES)).map(|call| ledger.note([1; 16], call).unwrap()).collect();
        assert!(ledger.note([1; 16], 5000).is_none());
        lines.into_iter().for_each(|line| ledger.release(line));
        assert!(ledger.note([1; 16], 5000).is_some());
        let (pipe, _end) = std::io::pipe().unwrap();
        assert!(calls_of(&[1; 16], pipe).is_empty());
    }
}
