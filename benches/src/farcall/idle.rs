//! The subject `idle`: the CPU time that a connection costs both processes while nobody calls.

use std::io;
use std::time::Duration;

use rustix::process::getpid;

use crate::case::Case;
use crate::clock::CpuClock;
use crate::further::Name;
use crate::measure::{Sample, measure};

use super::caller::Caller;

/// How long calls are made before the rest: long enough for every policy to have spun, yielded and slept.
const CALLS: Duration = Duration::from_millis(20);
/// What the last calls leave behind, such as a wait that ends by its budget, ends within this time.
const ECHO: Duration = Duration::from_millis(20);

/// Calls, rests, and calls once more: the connection must have lived through its rest.
pub(super) fn call(case: Case, url: &str, rest: Duration) -> io::Result<Sample> {
    let caller = Caller::new(case.style)?;
    let client = caller.connect(url)?;
    let server = caller.server(&client)?;
    let mut sample = measure(server, CALLS, |length, tally| caller.call(&client, length, tally))?;
    caller.rest(ECHO);
    let (ours, theirs) = (CpuClock::of(getpid())?, CpuClock::of(server)?);
    let before = (ours.read()?, theirs.read()?);
    caller.rest(rest);
    let after = (ours.read()?, theirs.read()?);
    caller.call_once(&client)?;
    sample.further.extend([
        (Name::RestMs, rest.as_millis() as f64),
        (Name::RestClientCpuNs, (after.0 - before.0).as_nanos() as f64),
        (Name::RestServerCpuNs, (after.1 - before.1).as_nanos() as f64),
    ]);
    Ok(sample)
}
