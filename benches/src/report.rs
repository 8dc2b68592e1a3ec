//! What a run found: JSON lines for programs, a table with the ratio to the raw limit for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::case::Case;
use crate::measure::Sample;
use crate::plan::{PROBE, reference};
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
            let line = Line {
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
            };
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        }
        out.flush()
    }

    /// The table and, above it, how fast a cache line travelled in each round.
    pub(crate) fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let rounds: Vec<String> = self.probe_rounds.iter().map(|ns| format!("{:.2}", micros(*ns))).collect();
        if rounds.is_empty() {
            writeln!(out, "cache line to the other core and back: not measured")?;
        } else {
            writeln!(out, "cache line to the other core and back, per round: {} µs", rounds.join(" "))?;
        }
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN);
        table.set_header(["case", "p50 µs", "p99 µs", "calls/s", "CPU µs/call", "× limit", "limit"]);
        for index in 1..=5 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for (case, sample) in self.medians.iter().filter(|(case, _)| *case != PROBE) {
            table.add_row(self.row(*case, sample));
        }
        writeln!(out, "{table}")?;
        writeln!(
            out,
            "medians over the rounds; `× limit`: p50 over the p50 of the limit, or, with several calls \
             outstanding, time per call over time per call"
        )
    }

    fn row(&self, case: Case, sample: &Sample) -> [String; 7] {
        let (ratio, limit) = match self.limit(case) {
            Some((limit, _)) if limit == case => (String::from("1.00"), String::from("itself")),
            Some((limit, found)) => (
                format!("{:.2}", ratio(case, sample, &found)),
                [limit.subject.word(), limit.wire.word(), limit.style.word(), limit.waiting.word()].join("/"),
            ),
            None => (String::from("–"), String::from("–")),
        };
        [
            case.to_string(),
            format!("{:.2}", micros(sample.p50_ns)),
            format!("{:.2}", micros(sample.p99_ns)),
            format!("{:.0}", sample.calls_per_s),
            format!("{:.2}", sample.cpu_ns_per_call / 1e3),
            ratio,
            limit,
        ]
    }

    fn limit(&self, case: Case) -> Option<(Case, Sample)> {
        let limit = reference(case)?;
        self.medians.iter().copied().find(|(other, _)| *other == limit)
    }
}

fn ratio(case: Case, sample: &Sample, limit: &Sample) -> f64 {
    if case.outstanding == 1 {
        sample.p50_ns as f64 / limit.p50_ns as f64
    } else {
        limit.calls_per_s / sample.calls_per_s
    }
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

fn median_sample(samples: &[Sample]) -> Option<Sample> {
    let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
    Some(Sample {
        p50_ns: of(|sample| sample.p50_ns as f64)? as u64,
        p99_ns: of(|sample| sample.p99_ns as f64)? as u64,
        calls_per_s: of(|sample| sample.calls_per_s)?,
        cpu_ns_per_call: of(|sample| sample.cpu_ns_per_call)?,
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

    fn outcome(label: &str, p50_ns: &[u64]) -> Outcome {
        let sample = |&p50_ns: &u64| Sample {
            p50_ns,
            p99_ns: 2 * p50_ns,
            calls_per_s: 1e9 / p50_ns as f64,
            cpu_ns_per_call: 700.4,
        };
        let samples = p50_ns.iter().map(sample).collect();
        Outcome { case: label.parse().unwrap(), samples, failure: None }
    }

    #[test]
    fn median_is_the_middle_or_the_lower_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn json_line_has_exactly_the_agreed_keys() {
        let mut text = Vec::new();
        let outcomes = [outcome("raw/tcp/wait/park/one/null/32/1", &[13_000, 12_000, 14_000])];
        Report::new(&outcomes).write_json(&mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"subject\":\"raw\",\"wire\":\"tcp\",\"style\":\"wait\",\"waiting\":\"park\",\"placement\":\"one\",\
             \"op\":\"null\",\"bytes\":32,\"outstanding\":1,\"p50_ns\":13000,\"p99_ns\":26000,\
             \"calls_per_s\":76923,\"cpu_ns_per_call\":700}\n"
        );
    }

    #[test]
    fn ratio_is_of_latency_alone_and_of_time_per_call_together() {
        let outcomes = [
            outcome("raw/unix/wait/park/one/null/32/1", &[8_000]),
            outcome("farcall/unix/wait/park/one/null/32/1", &[10_000]),
            outcome("farcall/unix/wait/park/one/null/32/64", &[800]),
        ];
        let report = Report::new(&outcomes);
        let ratios: Vec<String> =
            report.medians.iter().map(|(case, sample)| report.row(*case, sample)[5].clone()).collect();
        assert_eq!(ratios, ["1.00", "1.25", "0.10"]);
    }

    #[test]
    fn table_names_the_limit_and_shows_the_probe() {
        let outcomes = [
            outcome(&PROBE.to_string(), &[60, 330]),
            outcome("raw/unix/wait/park/one/null/32/1", &[8_000]),
            outcome("raw/unix/await/park/one/null/32/1", &[16_000]),
        ];
        let mut text = Vec::new();
        Report::new(&outcomes).write_table(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("cache line to the other core and back, per round: 0.06 0.33 µs\n"),
            "{text}"
        );
        let row = text.lines().find(|line| line.contains("raw/unix/await")).unwrap();
        assert!(row.contains("2.00") && row.contains("raw/unix/wait/park"), "{row}");
    }
}
