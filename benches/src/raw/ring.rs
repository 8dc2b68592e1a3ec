//! The raw echo through two byte rings in shared memory: four copies, and nothing else.

use std::io;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::case::Case;
use crate::measure::{Sample, measure, one_by_one};
use crate::peer::{Part, Peer};

use super::region::{LINE, Region};
use super::stamp::Stamp;
use super::turns::Turns;

/// Bytes of each ring; Farcall's default for a direction.
const CAPACITY: usize = 256 << 10;
/// The most that is written before the other side hears of it: longer pieces leave it waiting, shorter ones cost more.
const PIECE: usize = 32 << 10;
/// Two lines of indices, then the bytes.
const RING: usize = 2 * LINE + CAPACITY;

/// The client: copies a message in and its echo out.
pub(super) fn call(case: Case, part: &Part, slice: Duration) -> io::Result<Sample> {
    let (region, memory) = Region::create(2 * RING)?;
    let server = Peer::start(part, Stdio::from(memory), Stdio::null())?;
    let turns = Turns::of(case.waiting)?;
    let (mut requests, mut replies) = (Side::new(&region, 0, turns), Side::new(&region, RING, turns));
    let mut stamp = Stamp::new(case.bytes);
    let mut reply = vec![0; case.bytes];
    measure(server.pid(), slice, |length, tally| {
        one_by_one(length, tally, || {
            requests.write(stamp.next())?;
            replies.read(&mut reply)?;
            stamp.check(&reply)
        })
    })
}

/// The server: copies each message to memory of its own and from there back, until it is killed.
pub(super) fn serve(case: Case) -> io::Result<()> {
    let region = Region::inherited(2 * RING)?;
    let turns = Turns::of(case.waiting)?;
    let (mut requests, mut replies) = (Side::new(&region, 0, turns), Side::new(&region, RING, turns));
    let mut message = vec![0; case.bytes];
    loop {
        requests.read(&mut message)?;
        replies.write(&message)?;
    }
}

/// One process's side of one ring. Both indices run freely; only their difference and their rest count.
#[derive(Debug)]
struct Side<'a> {
    region: &'a Region,
    bytes: usize,
    /// How far the consumer has read: stored by it alone, seen by the producer before it writes there again.
    head: &'a AtomicU32,
    /// How far the producer has written: stored by it alone, seen by the consumer before it reads.
    tail: &'a AtomicU32,
    /// How far this side has come.
    mine: u32,
    /// How far the other side had come when last seen.
    theirs: u32,
    turns: Turns,
}

impl<'a> Side<'a> {
    fn new(region: &'a Region, offset: usize, turns: Turns) -> Self {
        let (head, tail) = (region.word(offset), region.word(offset + LINE));
        Self { region, bytes: offset + 2 * LINE, head, tail, mine: 0, theirs: 0, turns }
    }

    /// The producer's: copies the bytes in, piece by piece, as room comes free.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let free = |head: u32| CAPACITY - self.mine.wrapping_sub(head) as usize;
            if free(self.theirs) < PIECE.min(bytes.len()) {
                self.theirs = self.turns.wait(self.head, |head| free(head) >= PIECE.min(bytes.len()))?;
            }
            let length = bytes.len().min(PIECE).min(self.until_end());
            let (piece, rest) = bytes.split_at(length);
            self.region.copy_in(self.bytes + self.at(), piece);
            self.advance(length);
            self.turns.store(self.tail, self.mine)?;
            bytes = rest;
        }
        Ok(())
    }

    /// The consumer's: copies bytes out, as they come, until the buffer is full.
    fn read(&mut self, mut buf: &mut [u8]) -> io::Result<()> {
        while !buf.is_empty() {
            if self.theirs == self.mine {
                let mine = self.mine;
                self.theirs = self.turns.wait(self.tail, |tail| tail != mine)?;
            }
            let there = self.theirs.wrapping_sub(self.mine) as usize;
            let length = there.min(buf.len()).min(self.until_end());
            let (piece, rest) = buf.split_at_mut(length);
            self.region.copy_out(self.bytes + self.at(), piece);
            self.advance(length);
            self.turns.store(self.head, self.mine)?;
            buf = rest;
        }
        Ok(())
    }

    fn at(&self) -> usize {
        self.mine as usize % CAPACITY
    }

    fn until_end(&self) -> usize {
        CAPACITY - self.at()
    }

    fn advance(&mut self, bytes: usize) {
        self.mine = self.mine.wrapping_add(bytes as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every few messages end at the ring's end, and the largest is larger than the ring.
    #[test]
    fn messages_of_every_size_arrive_whole_and_in_order() {
        let (region, memory) = Region::create(RING).unwrap();
        let sizes = [1, 64, 1000, PIECE - 1, PIECE, PIECE + 1, CAPACITY, 3 * CAPACITY + 7];
        let content =
            |size: usize, round: usize| -> Vec<u8> { (0..size).map(|at| (at * 31 + round) as u8).collect() };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let region = Region::map(&memory, RING).unwrap();
                let mut side = Side::new(&region, 0, Turns::Yield);
                for round in 0..10 {
                    sizes.iter().for_each(|&size| side.write(&content(size, round)).unwrap());
                }
            });
            let mut side = Side::new(&region, 0, Turns::Yield);
            for round in 0..10 {
                for size in sizes {
                    let mut buf = vec![0; size];
                    side.read(&mut buf).unwrap();
                    assert!(buf == content(size, round), "{size} bytes in round {round}");
                }
            }
        });
    }
}
