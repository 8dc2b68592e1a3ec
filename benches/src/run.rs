//! A run: rounds of all cases in random order, each measurement in two fresh processes; then all that rest, at once.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::case::{Case, Op};
use crate::effort::Effort;
use crate::further::Name;
use crate::limits::{PROBE, beside, reference};
use crate::measure::Sample;
use crate::order::Shuffler;
use crate::peer::{Part, Peer, Role};

/// How long a measurement may take beyond its slice and warm-up before its processes are killed.
const GRACE: Duration = Duration::from_secs(5);

/// What all rounds found out about one case.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    pub(crate) samples: Vec<Sample>,
    /// Why a measurement failed; the case is not tried again.
    pub(crate) failure: Option<String>,
}

impl Outcome {
    fn take(&mut self, found: io::Result<Sample>, when: &str) {
        match found {
            Ok(sample) => self.samples.push(sample),
            Err(error) => self.failure = Some(format!("{when}: {error}")),
        }
    }
}

/// Measures every case once per round, and the idle ones once.
///
/// `before_each` hears the round and how many measurements it has behind it. `directory` is for the sockets of the wires
/// that need a path.
pub(crate) fn run(
    cases: &[Case],
    effort: Effort,
    seed: u64,
    directory: &Path,
    mut before_each: impl FnMut(usize, usize),
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> =
        cases.iter().map(|&case| Outcome { case, samples: Vec::new(), failure: None }).collect();
    let mut shuffler = Shuffler::new(seed);
    for round in 0..effort.rounds {
        let mut order: Vec<&mut Outcome> =
            outcomes.iter_mut().filter(|outcome| outcome.case.op != Op::Idle).collect();
        shuffler.shuffle(&mut order);
        for (done, outcome) in order.into_iter().enumerate() {
            before_each(round, done);
            if outcome.failure.is_none() {
                let found = once(outcome.case, effort.slice, directory);
                outcome.take(found, &format!("round {}", round + 1));
            }
        }
    }
    rest(&mut outcomes, effort.rest, directory);
    outcomes
}

fn once(case: Case, slice: Duration, directory: &Path) -> io::Result<Sample> {
    let mut sample = finished(client(case, slice, directory)?, slice)?;
    if let Some(raw) = beside(case) {
        let slice = slice / 2;
        let limit = finished(client(raw, slice, directory)?, slice)?.p50_ns as f64;
        let found = sample.p50_ns as f64;
        if raw == PROBE {
            sample.further.extend([(Name::ProbeNs, limit), (Name::OverProbeNs, found - limit)]);
        }
        if reference(case) == Some(raw) {
            sample.further.extend([(Name::LimitNs, limit), (Name::TimesLimit, found / limit)]);
        }
    }
    Ok(sample)
}

/// The idle connections, side by side: who rests disturbs nobody, and CPU time is each process's own.
fn rest(outcomes: &mut [Outcome], length: Duration, directory: &Path) {
    let resting: Vec<(&mut Outcome, io::Result<Peer>)> = outcomes
        .iter_mut()
        .filter(|outcome| outcome.case.op == Op::Idle)
        .map(|outcome| {
            let client = client(outcome.case, length, directory);
            (outcome, client)
        })
        .collect();
    for (outcome, client) in resting {
        outcome.take(client.and_then(|client| finished(client, length)), "at rest");
    }
}

fn client(case: Case, slice: Duration, directory: &Path) -> io::Result<Peer> {
    let slice_us = Some(u64::try_from(slice.as_micros()).map_err(io::Error::other)?);
    let directory = Some(directory.to_owned());
    let part = Part { slice_us, directory, ..Part::of(Role::Client, case) };
    Peer::start(&part, Stdio::null(), Stdio::piped())
}

fn finished(client: Peer, slice: Duration) -> io::Result<Sample> {
    let text = client.finish(slice * 2 + GRACE)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}
