//! The tables on the terminal: the cases beside their limits, the special subjects, the bars.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use super::Report;
use crate::bars;
use crate::case::{Case, Op};
use crate::further::Name;
use crate::limits::{PROBE, reference};
use crate::measure::Sample;

impl Report {
    /// How fast a cache line travelled in each round, then all tables that have a row.
    pub(crate) fn write_tables(&self, out: &mut impl Write) -> io::Result<()> {
        let rounds: Vec<String> = self.probe_rounds.iter().map(|ns| micros(*ns as f64)).collect();
        if rounds.is_empty() {
            writeln!(out, "cache line to the other core and back: not measured")?;
        } else {
            writeln!(out, "cache line to the other core and back, per round: {} µs", rounds.join(" "))?;
        }
        self.write_cases(out)?;
        self.write_polite(out)?;
        self.write_idle(out)?;
        self.write_many(out)?;
        self.write_pool(out)?;
        self.write_bars(out)
    }

    fn write_cases(&self, out: &mut impl Write) -> io::Result<()> {
        let headers =
            ["case", "p50 µs", "p99 µs", "calls/s", "CPU µs/call", "× limit", "probe ns", "− probe", "limit"];
        let cases = self.medians.iter().filter(|(case, _)| *case != PROBE && !case.op.is_special());
        write_table(out, headers, cases.map(|(case, sample)| self.row(*case, sample)))?;
        writeln!(
            out,
            "medians over the rounds; `× limit`: p50 over the p50 of the limit, or, with several calls outstanding, \
             time per call over time per call; `probe`: a cache line's travel right after the case; `− probe`: p50 less that"
        )
    }

    pub(super) fn row(&self, case: Case, sample: &Sample) -> [String; 9] {
        let limit = match reference(case) {
            Some(limit) if limit == case => String::from("itself"),
            Some(limit) => {
                [limit.subject.word(), limit.wire.word(), limit.style.word(), limit.waiting.word()].join("/")
            }
            None => dash(),
        };
        let further = |name| sample.further.get(&name).copied();
        [
            case.to_string(),
            micros(sample.p50_ns as f64),
            micros(sample.p99_ns as f64),
            format!("{:.0}", sample.calls_per_s),
            micros(sample.cpu_ns_per_call),
            self.times(case, sample).map_or_else(dash, |times| format!("{times:.2}")),
            further(Name::ProbeNs).map_or_else(dash, |probe| format!("{probe:.0}")),
            further(Name::OverProbeNs).map_or_else(dash, |over| format!("{over:.0}")),
            limit,
        ]
    }

    fn write_polite(&self, out: &mut impl Write) -> io::Result<()> {
        let headers = [
            "beside a busy task",
            "poll p50 µs",
            "poll p99 µs",
            "waiting poll p50 µs",
            "waiting poll p99 µs",
            "busy task keeps",
            "calls/s",
        ];
        let rows = self.special(Op::Polite, |sample| {
            [
                further(sample, Name::PollP50Ns, micros),
                further(sample, Name::PollP99Ns, micros),
                further(sample, Name::WaitingPollP50Ns, micros),
                further(sample, Name::WaitingPollP99Ns, micros),
                further(sample, Name::BusyShare, |share| format!("{:.0} %", share * 1e2)),
                format!("{:.0}", sample.calls_per_s),
            ]
        });
        write_table(out, headers, rows.map(|(case, [a, b, c, d, e, f])| [case, a, b, c, d, e, f]))
    }

    fn write_idle(&self, out: &mut impl Write) -> io::Result<()> {
        let headers = ["at rest", "for s", "CPU ms of client", "CPU ms of server"];
        let rows = self.special(Op::Idle, |sample| {
            let millis = |ns: f64| format!("{:.3}", ns / 1e6);
            [
                further(sample, Name::RestMs, |ms| format!("{:.1}", ms / 1e3)),
                further(sample, Name::RestClientCpuNs, millis),
                further(sample, Name::RestServerCpuNs, millis),
            ]
        });
        write_table(out, headers, rows.map(|(case, [a, b, c])| [case, a, b, c]))
    }

    fn write_many(&self, out: &mut impl Write) -> io::Result<()> {
        let headers =
            ["one of many busy", "connections", "p50 µs", "alone µs", "× alone", "KiB/client", "KiB/server"];
        let rows = self.special(Op::Many, |sample| {
            let kibibytes = |bytes: f64| format!("{:.0}", bytes / 1024.0);
            [
                further(sample, Name::Connections, |count| format!("{count:.0}")),
                micros(sample.p50_ns as f64),
                further(sample, Name::AloneP50Ns, micros),
                further(sample, Name::AloneP50Ns, |alone| format!("{:.2}", sample.p50_ns as f64 / alone)),
                further(sample, Name::ClientRssPerConnection, kibibytes),
                further(sample, Name::ServerRssPerConnection, kibibytes),
            ]
        });
        write_table(out, headers, rows.map(|(case, [a, b, c, d, e, f])| [case, a, b, c, d, e, f]))
    }

    fn write_pool(&self, out: &mut impl Write) -> io::Result<()> {
        let headers = ["through a pool", "connections", "p50 µs", "alone µs", "a choice, ns"];
        let rows = self.special(Op::Pool, |sample| {
            [
                further(sample, Name::Connections, |count| format!("{count:.0}")),
                micros(sample.p50_ns as f64),
                further(sample, Name::AloneP50Ns, micros),
                further(sample, Name::PoolNs, |choice| format!("{choice:.0}")),
            ]
        });
        write_table(out, headers, rows.map(|(case, [a, b, c, d])| [case, a, b, c, d]))
    }

    fn special<const N: usize>(
        &self,
        op: Op,
        cells: impl Fn(&Sample) -> [String; N],
    ) -> impl Iterator<Item = (String, [String; N])> {
        let cases = self.medians.iter().filter(move |(case, _)| case.op == op);
        cases.map(move |(case, sample)| (case.to_string(), cells(sample)))
    }

    fn write_bars(&self, out: &mut impl Write) -> io::Result<()> {
        let rows = self.medians.iter().filter_map(|(case, sample)| {
            let verdict = bars::bar(*case)?.judge(sample, self.times(*case, sample))?;
            let word = if verdict.holds { "yes" } else { "no" };
            Some([case.to_string(), verdict.found, verdict.must, word.to_owned()])
        });
        write_table(out, ["bar", "found", "must be", "met"], rows)
    }
}

/// One table, unless it has no rows.
fn write_table<const N: usize>(
    out: &mut impl Write,
    headers: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(headers).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "\n{table}")
}

fn further(sample: &Sample, name: Name, written: impl Fn(f64) -> String) -> String {
    sample.further.get(&name).map_or_else(dash, |value| written(*value))
}

fn dash() -> String {
    String::from("–")
}

fn micros(ns: f64) -> String {
    format!("{:.2}", ns / 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::tests::outcome;
    use super::*;
    use crate::run::Outcome;

    fn tables(outcomes: &[Outcome]) -> String {
        let mut text = Vec::new();
        Report::new(outcomes).write_tables(&mut text).unwrap();
        String::from_utf8(text).unwrap()
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
        let text = tables(&[
            outcome(&PROBE.to_string(), &[60, 330]),
            outcome("raw/unix/wait/park/one/null/32/1", &[8_000]),
            outcome("raw/unix/await/park/one/null/32/1", &[16_000]),
        ]);
        assert!(
            text.starts_with("cache line to the other core and back, per round: 0.06 0.33 µs\n"),
            "{text}"
        );
        let row = text.lines().find(|line| line.contains("raw/unix/await")).unwrap();
        assert!(row.contains("2.00") && row.contains("raw/unix/wait/park"), "{row}");
    }

    #[test]
    fn bars_are_judged_by_what_the_run_found() {
        let text = tables(&[
            outcome("raw/unix/wait/spin/two/null/32/1", &[3_000]),
            outcome("farcall/unix/wait/auto/two/null/32/1", &[4_500]),
        ]);
        let row = text.lines().find(|line| line.contains("≤ 1.40 ×")).unwrap();
        assert!(row.contains("1.50 ×") && row.contains(" no "), "{row}");
        assert!(!text.contains("beside a busy task"), "{text}");
    }
}
