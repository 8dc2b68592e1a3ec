//! A run: rounds of all cases in random order, each measurement in two fresh processes.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use crate::case::Case;
use crate::measure::Sample;
use crate::peer::{Part, Peer, Role};
use crate::plan::{Effort, Shuffler};

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

/// Measures every case once per round; `before_each` hears the round and how many measurements it has behind it.
pub(crate) fn run(
    cases: &[Case],
    effort: Effort,
    seed: u64,
    mut before_each: impl FnMut(usize, usize),
) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> =
        cases.iter().map(|&case| Outcome { case, samples: Vec::new(), failure: None }).collect();
    let mut shuffler = Shuffler::new(seed);
    for round in 0..effort.rounds {
        let mut order: Vec<&mut Outcome> = outcomes.iter_mut().collect();
        shuffler.shuffle(&mut order);
        for (done, outcome) in order.into_iter().enumerate() {
            before_each(round, done);
            if outcome.failure.is_some() {
                continue;
            }
            match once(outcome.case, effort.slice) {
                Ok(sample) => outcome.samples.push(sample),
                Err(error) => outcome.failure = Some(format!("round {}: {error}", round + 1)),
            }
        }
    }
    outcomes
}

fn once(case: Case, slice: Duration) -> io::Result<Sample> {
    let slice_us = u64::try_from(slice.as_micros()).map_err(io::Error::other)?;
    let part = Part { slice_us: Some(slice_us), ..Part::of(Role::Client, case) };
    let client = Peer::start(&part, Stdio::null(), Stdio::piped())?;
    let text = client.finish(slice * 2 + GRACE)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}
