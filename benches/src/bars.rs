//! The bars: what the cases that matter most must reach, and whether they did.

use crate::case::Case;
use crate::further::Name;
use crate::measure::Sample;

/// What a case must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// Over the probe at most so many nanoseconds.
    OverProbe(f64),
    /// At most so many times its limit.
    Times(f64),
    /// At least so many calls a second.
    PerSecond(f64),
    /// Of a hundred polls, 99 take at most so many nanoseconds.
    Poll(f64),
    /// The same, and the busy task keeps at least this share.
    PollAndShare(f64, f64),
    /// A pool's choice takes at most so many nanoseconds.
    Choice(f64),
    /// Each process uses at most so many nanoseconds of CPU time in a second of rest.
    Rest(f64),
}

use Bar::{Choice, OverProbe, PerSecond, Poll, PollAndShare, Rest, Times};

/// 10 ms in 10 s.
const RESTING: Bar = Rest(1e6);

#[rustfmt::skip]
const BARS: &[(&str, Bar)] = &[
    ("farcall/shm/wait/spin/two/null/32/1", OverProbe(300.0)),
    ("farcall/shm/await/auto/two/null/32/1", OverProbe(500.0)),
    ("farcall/shm/wait/auto/one/null/32/1", Times(1.25)),
    ("farcall/shm/await/auto/one/null/32/1", Times(1.25)),
    ("farcall/shm/wait/park/two/null/32/1", Times(1.15)),
    ("farcall/shm/await/park/two/null/32/1", Times(1.15)),
    ("farcall/unix/wait/auto/two/null/32/1", Times(1.4)),
    ("farcall/tcp/wait/auto/two/null/32/1", Times(1.4)),
    ("farcall/pipe/wait/auto/two/null/32/1", Times(2.0)),
    ("farcall/fifo/wait/auto/two/null/32/1", Times(2.0)),
    ("farcall/mq/wait/auto/two/null/32/1", Times(2.0)),
    ("farcall/mailbox/wait/auto/two/null/32/1", Times(2.5)),
    ("farcall/mmap/wait/auto/two/null/32/1", Times(1.1)),
    ("farcall/posix/wait/auto/two/null/32/1", Times(1.1)),
    ("farcall/sysv/wait/auto/two/null/32/1", Times(1.1)),
    ("farcall/unix/await/auto/two/null/32/1", Times(1.6)),
    ("farcall/unix/await/auto/one/null/32/1", Times(1.15)),
    ("farcall/shm/wait/auto/two/echo/64/64", PerSecond(3e6)),
    ("farcall/shm/await/auto/two/echo/64/64", PerSecond(2e6)),
    ("farcall/shm/wait/auto/two/echo/65536/1", Times(1.5)),
    ("farcall/shm/await/auto/two/echo/65536/1", Times(1.5)),
    ("farcall/shm/wait/auto/two/echo/1048576/1", Times(1.5)),
    ("farcall/shm/await/auto/two/echo/1048576/1", Times(1.5)),
    ("farcall/shm/await/auto/two/polite/32/1", Poll(3e3)),
    ("farcall/shm/await/auto/one/polite/32/1", PollAndShare(3e3, 0.45)),
    ("farcall/unix/await/auto/one/polite/32/1", PollAndShare(3e3, 0.45)),
    ("farcall/shm/wait/auto/two/pool/32/1", Choice(1e3)),
    ("farcall/shm/wait/auto/free/idle/32/1", RESTING),
    ("farcall/shm/await/auto/free/idle/32/1", RESTING),
    ("farcall/pipe/wait/auto/free/idle/32/1", RESTING),
    ("farcall/pipe/await/auto/free/idle/32/1", RESTING),
    ("farcall/exec/wait/auto/free/idle/32/1", RESTING),
    ("farcall/exec/await/auto/free/idle/32/1", RESTING),
    ("farcall/unix/wait/auto/free/idle/32/1", RESTING),
    ("farcall/unix/await/auto/free/idle/32/1", RESTING),
    ("farcall/tcp/wait/auto/free/idle/32/1", RESTING),
    ("farcall/tcp/await/auto/free/idle/32/1", RESTING),
];

/// The bar of that case, if it has one.
pub(crate) fn bar(case: Case) -> Option<Bar> {
    let label = case.to_string();
    BARS.iter().find(|(other, _)| *other == label).map(|&(_, bar)| bar)
}

/// What was found beside what must be, and whether that suffices.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) found: String,
    pub(crate) must: String,
    pub(crate) holds: bool,
}

impl Bar {
    /// Nothing if the sample lacks what the bar asks for. `times` is how many times its limit the case takes.
    pub(crate) fn judge(self, sample: &Sample, times: Option<f64>) -> Option<Verdict> {
        let further = |name| sample.further.get(&name).copied();
        let verdict = |found: String, must: String, holds| Some(Verdict { found, must, holds });
        match self {
            OverProbe(most) => {
                let over = further(Name::OverProbeNs)?;
                verdict(format!("probe + {over:.0} ns"), format!("≤ probe + {most:.0} ns"), over <= most)
            }
            Times(most) => {
                let times = times?;
                verdict(format!("{times:.2} ×"), format!("≤ {most:.2} ×"), times <= most)
            }
            PerSecond(least) => {
                let found = sample.calls_per_s;
                verdict(format!("{found:.0} calls/s"), format!("≥ {least:.0} calls/s"), found >= least)
            }
            Poll(most) => {
                let poll = further(Name::PollP99Ns)?;
                verdict(format!("{poll:.0} ns"), format!("≤ {most:.0} ns"), poll <= most)
            }
            Choice(most) => {
                let choice = further(Name::PoolNs)?;
                verdict(format!("+ {choice:.0} ns"), format!("≤ + {most:.0} ns"), choice <= most)
            }
            PollAndShare(most, least) => {
                let (poll, share) = (further(Name::PollP99Ns)?, further(Name::BusyShare)?);
                verdict(
                    format!("{poll:.0} ns, share {share:.2}"),
                    format!("≤ {most:.0} ns, share ≥ {least:.2}"),
                    poll <= most && share >= least,
                )
            }
            Rest(most) => {
                let used = further(Name::RestClientCpuNs)?.max(further(Name::RestServerCpuNs)?);
                let in_a_second = used / (further(Name::RestMs)? / 1e3);
                let millis = |ns: f64| format!("{:.3} ms/s", ns / 1e6);
                verdict(millis(in_a_second), format!("≤ {}", millis(most)), in_a_second <= most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::further::Further;
    use crate::limits::reference;
    use crate::plan;

    fn sample(further: &[(Name, f64)]) -> Sample {
        let further: Further = further.iter().copied().collect();
        Sample { p50_ns: 900, p99_ns: 2_000, calls_per_s: 1e6, cpu_ns_per_call: 700.0, further }
    }

    #[test]
    fn every_bar_names_a_case_of_the_plan_that_has_what_it_is_measured_by() {
        let cases = plan::all(2, |_| true);
        for (label, bar) in BARS {
            let case: Case = label.parse().unwrap();
            assert!(cases.contains(&case), "{label}");
            assert_eq!(case.to_string(), *label);
            assert!(!matches!(bar, Times(_)) || reference(case).is_some(), "{label}");
        }
    }

    #[test]
    fn bar_is_met_at_its_very_value() {
        let judged =
            |bar: Bar, times, further: &[(Name, f64)]| bar.judge(&sample(further), times).unwrap().holds;
        assert!(judged(Times(1.5), Some(1.5), &[]) && !judged(Times(1.5), Some(1.51), &[]));
        assert!(judged(PerSecond(1e6), None, &[]) && !judged(PerSecond(1.1e6), None, &[]));
        assert!(judged(OverProbe(300.0), None, &[(Name::OverProbeNs, 300.0)]));
        let polls = [(Name::PollP99Ns, 2e3), (Name::BusyShare, 0.4)];
        assert!(judged(Poll(3e3), None, &polls) && !judged(PollAndShare(3e3, 0.45), None, &polls));
    }

    #[test]
    fn rest_is_judged_by_the_process_that_used_more() {
        let used = |client, server| {
            [(Name::RestMs, 2e3), (Name::RestClientCpuNs, client), (Name::RestServerCpuNs, server)]
        };
        let verdict = RESTING.judge(&sample(&used(1e5, 4e6)), None).unwrap();
        assert_eq!((verdict.found.as_str(), verdict.holds), ("2.000 ms/s", false));
        assert!(RESTING.judge(&sample(&used(1e5, 2e6)), None).unwrap().holds);
    }

    #[test]
    fn sample_without_the_value_has_no_verdict() {
        assert_eq!(Poll(3e3).judge(&sample(&[]), Some(1.0)), None);
        assert_eq!(Times(1.0).judge(&sample(&[]), None), None);
    }
}
