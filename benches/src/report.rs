//! What a run found: JSON lines for programs, tables for people.

mod tables;

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::case::Case;
use crate::further::{Further, Name};
use crate::limits::{PROBE, reference};
use crate::measure::Sample;
use crate::run::Outcome;

/// One line of JSON.
#[derive(Debug, Serialize)]
struct Line {
    subject: &'static str,
    wire: &'static str,
    style: &'static str,
    waiting: &'static str,
    placement: &'static str,
    op: &'static str,
    bytes: usize,
    outstanding: usize,
    p50_ns: u64,
    p99_ns: u64,
    calls_per_s: u64,
    cpu_ns_per_call: u64,
    /// What only some cases look at.
    #[serde(flatten)]
    further: Map<String, Value>,
}

impl Line {
    fn new(case: Case, sample: &Sample) -> serde_json::Result<Self> {
        Ok(Self {
            subject: case.subject.word(),
            wire: case.wire.word(),
            style: case.style.word(),
            waiting: case.waiting.word(),
            placement: case.placement.word(),
            op: case.op.word(),
            bytes: case.bytes,
            outstanding: case.outstanding,
            p50_ns: sample.p50_ns,
            p99_ns: sample.p99_ns,
            calls_per_s: sample.calls_per_s.round() as u64,
            cpu_ns_per_call: sample.cpu_ns_per_call.round() as u64,
            further: sample.further.iter().map(value).collect::<Result<_, _>>()?,
        })
    }
}

fn value((name, found): (&Name, &f64)) -> serde_json::Result<(String, Value)> {
    let number = if name.is_ratio() {
        Number::from_f64((found * 1e3).round() / 1e3)
    } else {
        Some(Number::from(found.round() as i64))
    };
    let key = serde_json::to_value(name)?.as_str().unwrap_or_default().to_owned();
    Ok((key, number.map_or(Value::Null, Value::Number)))
}

/// The medians over the rounds, one case after the other in the order of the plan.
#[derive(Debug)]
pub(crate) struct Report {
    medians: Vec<(Case, Sample)>,
    probe_rounds: Vec<u64>,
}

impl Report {
    /// Cases without a sample are left out.
    pub(crate) fn new(outcomes: &[Outcome]) -> Self {
        let medians = outcomes
            .iter()
            .filter_map(|outcome| Some((outcome.case, median_sample(&outcome.samples)?)))
            .collect();
        let probe_rounds = outcomes
            .iter()
            .filter(|outcome| outcome.case == PROBE)
            .flat_map(|outcome| outcome.samples.iter().map(|sample| sample.p50_ns))
            .collect();
        Self { medians, probe_rounds }
    }

    /// One line of JSON per case.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        for (case, sample) in &self.medians {
            serde_json::to_writer(&mut *out, &Line::new(*case, sample)?)?;
            writeln!(out)?;
        }
        out.flush()
    }

    /// How many times its limit a case takes, if this run measured that.
    ///
    /// By the median call, and by the limit beside it where there is one; of several calls together by the time per call.
    fn times(&self, case: Case, sample: &Sample) -> Option<f64> {
        if let Some(times) = sample.further.get(&Name::TimesLimit) {
            return Some(*times);
        }
        let limit = reference(case)?;
        let (_, limit) = self.medians.iter().find(|(other, _)| *other == limit)?;
        Some(if case.outstanding == 1 {
            sample.p50_ns as f64 / limit.p50_ns as f64
        } else {
            limit.calls_per_s / sample.calls_per_s
        })
    }
}

fn median_sample(samples: &[Sample]) -> Option<Sample> {
    let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
    let further =
        |name: Name| median(samples.iter().filter_map(|one| one.further.get(&name).copied()).collect());
    let names: BTreeSet<Name> = samples.iter().flat_map(|sample| sample.further.keys().copied()).collect();
    Some(Sample {
        p50_ns: of(|sample| sample.p50_ns as f64)? as u64,
        p99_ns: of(|sample| sample.p99_ns as f64)? as u64,
        calls_per_s: of(|sample| sample.calls_per_s)?,
        cpu_ns_per_call: of(|sample| sample.cpu_ns_per_call)?,
        further: names.into_iter().filter_map(|name| Some((name, further(name)?))).collect::<Further>(),
    })
}

/// The middle value; of an even number the lower of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds that found these medians, and nothing further.
    pub(super) fn outcome(label: &str, p50_ns: &[u64]) -> Outcome {
        let sample = |&p50_ns: &u64| Sample {
            p50_ns,
            p99_ns: 2 * p50_ns,
            calls_per_s: 1e9 / p50_ns as f64,
            cpu_ns_per_call: 700.4,
            further: Further::new(),
        };
        let samples = p50_ns.iter().map(sample).collect();
        Outcome { case: label.parse().unwrap(), samples, failure: None }
    }

    fn json(outcome: Outcome) -> String {
        let mut text = Vec::new();
        Report::new(&[outcome]).write_json(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn median_is_the_middle_or_the_lower_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn json_line_has_exactly_the_agreed_keys() {
        assert_eq!(
            json(outcome("raw/tcp/wait/park/one/null/32/1", &[13_000, 12_000, 14_000])),
            "{\"subject\":\"raw\",\"wire\":\"tcp\",\"style\":\"wait\",\"waiting\":\"park\",\"placement\":\"one\",\
             \"op\":\"null\",\"bytes\":32,\"outstanding\":1,\"p50_ns\":13000,\"p99_ns\":26000,\
             \"calls_per_s\":76923,\"cpu_ns_per_call\":700}\n"
        );
    }

    #[test]
    fn further_values_are_medians_under_keys_of_their_own() {
        let mut outcome = outcome("farcall/unix/await/auto/one/polite/32/1", &[13_000, 12_000, 14_000]);
        for (sample, poll) in outcome.samples.iter_mut().zip([900.0, 700.0, 800.0]) {
            sample.further.extend([(Name::PollP99Ns, poll), (Name::BusyShare, poll / 1e3)]);
        }
        let line = json(outcome);
        assert!(line.ends_with(",\"busy_share\":0.8,\"poll_p99_ns\":800}\n"), "{line}");
    }

    #[test]
    fn sample_travels_as_json() {
        let mut sample = outcome("raw/tcp/wait/park/one/null/32/1", &[500]).samples.remove(0);
        sample.further.insert(Name::RestServerCpuNs, 1.5);
        let text = serde_json::to_string(&sample).unwrap();
        let back: Sample = serde_json::from_str(&text).unwrap();
        assert_eq!((back.p50_ns, back.further), (500, sample.further));
    }
}
