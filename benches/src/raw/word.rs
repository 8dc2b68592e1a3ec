//! One word in shared memory, written by two processes in turn: the probe, and the same for those who yield or sleep.

use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::case::{Case, Waiting};
use crate::measure::{Sample, measure};
use crate::peer::{Part, Peer};

use super::region::Region;
use super::turns::Turns;

/// One page: the smallest thing that two processes can share.
const PAGE: usize = 4096;

/// Round trips between two looks at the clock, which costs as much as a trip of a spinner.
const fn batch(waiting: Waiting) -> u32 {
    if matches!(waiting, Waiting::Spin) { 100 } else { 1 }
}

/// The client: writes odd numbers, waits for the even ones.
pub(super) fn call(case: Case, part: &Part, slice: Duration) -> io::Result<Sample> {
    let (region, memory) = Region::create(PAGE)?;
    let server = Peer::start(part, Stdio::from(memory), Stdio::null())?;
    let (word, turns, batch) = (region.word(0), Turns::of(case.waiting)?, batch(case.waiting));
    let mut turn = 0_u32;
    measure(server.pid(), slice, |length, tally| {
        let start = Instant::now();
        let mut before = start;
        while before - start < length {
            for _ in 0..batch {
                turns.store(word, turn.wrapping_add(1))?;
                turn = turn.wrapping_add(2);
                turns.wait(word, |value| value == turn)?;
            }
            let after = Instant::now();
            tally.record_many(after - before, batch);
            before = after;
        }
        Ok(())
    })
}

/// The server: answers every odd number with the even one after it, until it is killed.
pub(super) fn serve(case: Case) -> io::Result<()> {
    let region = Region::inherited(PAGE)?;
    let (word, turns) = (region.word(0), Turns::of(case.waiting)?);
    let mut turn = 0_u32;
    loop {
        turns.wait(word, |value| value == turn.wrapping_add(1))?;
        turn = turn.wrapping_add(2);
        turns.store(word, turn)?;
    }
}
