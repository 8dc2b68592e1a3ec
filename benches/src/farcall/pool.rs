//! The subject `pool`: what it costs that each call chooses its connection.

use std::io;
use std::time::Duration;

use crate::case::Case;
use crate::further::Name;
use crate::measure::{Sample, measure};

use super::caller::Caller;

/// Connections of the pool.
const CONNECTIONS: usize = 4;

/// Parts that the slice is cut into: on a noisy machine the two kinds of calls must take turns.
const TURNS: u32 = 8;

/// Calls through a pool of one connection and through one of several, each beside calls on a connection alone.
pub(super) fn call(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let caller = Caller::new(case.style)?;
    let alone = caller.connect(url)?;
    let server = caller.server(&alone)?;
    let pool = caller.connect(&format!("{url}&n={CONNECTIONS}"))?;
    let one = caller.connect(&format!("{url}&n=1"))?;
    let part = slice / (2 * TURNS);
    let mut differences = Vec::new();
    for _ in 0..TURNS {
        let direct = measure(server, part, |length, tally| caller.call(&alone, length, tally))?;
        let chosen = measure(server, part, |length, tally| caller.call(&one, length, tally))?;
        differences.push((chosen.p50_ns as f64 - direct.p50_ns as f64, direct.p50_ns as f64));
    }
    differences.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (difference, direct) = differences[differences.len() / 2];
    let mut sample = measure(server, slice, |length, tally| caller.call(&pool, length, tally))?;
    sample.further.extend([
        (Name::Connections, CONNECTIONS as f64),
        (Name::AloneP50Ns, direct),
        (Name::PoolNs, difference),
    ]);
    Ok(sample)
}
