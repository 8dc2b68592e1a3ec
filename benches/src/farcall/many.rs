//! The subject `many`: what connections that rest cost the one that is busy, and how much memory each holds.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::page_size;
use rustix::process::{Pid, getpid};

use crate::case::Case;
use crate::further::Name;
use crate::measure::{Sample, measure};

use super::caller::Caller;

/// Connections of the client, one of which is busy.
const CONNECTIONS: usize = 64;

/// Calls on one connection while it is the only one, then while it is one of many.
pub(super) fn call(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let caller = Caller::new(case.style)?;
    let busy = caller.connect(url)?;
    let server = caller.server(&busy)?;
    let alone = measure(server, slice / 2, |length, tally| caller.call(&busy, length, tally))?;
    let memory = || Ok::<_, io::Error>((resident(getpid())?, resident(server)?));
    let before = memory()?;
    let mut idle = Vec::new();
    for _ in 1..CONNECTIONS {
        let client = caller.connect(url)?;
        caller.call_once(&client)?;
        idle.push(client);
    }
    let after = memory()?;
    let mut sample = measure(server, slice, |length, tally| caller.call(&busy, length, tally))?;
    for client in &idle {
        caller.call_once(client)?;
    }
    let each = |after: u64, before: u64| (after as f64 - before as f64) / idle.len() as f64;
    sample.further.extend([
        (Name::Connections, CONNECTIONS as f64),
        (Name::AloneP50Ns, alone.p50_ns as f64),
        (Name::ClientRssPerConnection, each(after.0, before.0)),
        (Name::ServerRssPerConnection, each(after.1, before.1)),
    ]);
    Ok(sample)
}

/// Bytes of memory that the process holds (`statm` in proc(5)); shared pages count in each process.
fn resident(process: Pid) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/statm", process.as_raw_nonzero()))?;
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .ok_or_else(|| io::Error::other(format!("`{text}` tells no resident pages")))?;
    Ok(pages * page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_written_is_resident() {
        let before = resident(getpid()).unwrap();
        let written = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(resident(getpid()).unwrap() >= before + (60 << 20));
        drop(written);
    }
}
