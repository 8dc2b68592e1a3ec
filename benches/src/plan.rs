//! The plan: which cases are measured, what each is compared with, and in which order a round runs them.

use std::time::Duration;

use crate::case::{Case, Op, Placement, Style, Subject, Waiting, Wire};

/// The line that goes to the other core and back; measured in every run.
pub(crate) const PROBE: Case = Case {
    subject: Subject::Raw,
    wire: Wire::CacheLine,
    style: Style::Wait,
    waiting: Waiting::Spin,
    placement: Placement::Two,
    op: Op::Null,
    bytes: 64,
    outstanding: 1,
};

const PLACEMENTS: [Placement; 3] = [Placement::Two, Placement::One, Placement::Free];
const LOADS: [(Op, usize); 5] =
    [(Op::Null, 32), (Op::Echo, 64), (Op::Echo, 1 << 10), (Op::Echo, 64 << 10), (Op::Echo, 1 << 20)];
const OUTSTANDING: [usize; 3] = [1, 16, 64];

/// The policies that the library has today; each is measured.
const FARCALL_WAITING: [Waiting; 1] = [Waiting::Park];

/// What a quick run plans for: batches of large calls overrun their slices, and all must end within three minutes.
const QUICK_BUDGET: Duration = Duration::from_secs(120);
/// What starting and ending two processes costs beside the slice.
const OVERHEAD: Duration = Duration::from_millis(15);
const SHORTEST_SLICE: Duration = Duration::from_millis(20);

/// How often and how long each case is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// Length of one measurement, without its warm-up.
    pub(crate) slice: Duration,
}

impl Effort {
    /// Five rounds of 0.4 s.
    pub(crate) fn full() -> Self {
        Self { rounds: 5, slice: Duration::from_millis(400) }
    }

    /// Three rounds of at most 0.15 s, less where many cases share the time of a quick run.
    pub(crate) fn quick(cases: usize) -> Self {
        let rounds = 3;
        let slots = u32::try_from(cases.max(1) * rounds).unwrap_or(u32::MAX);
        let share = (QUICK_BUDGET / slots).saturating_sub(OVERHEAD) * 8 / 9;
        Self { rounds, slice: share.clamp(SHORTEST_SLICE, Duration::from_millis(150)) }
    }

    /// What a run of so many cases will take, roughly.
    pub(crate) fn estimate(self, cases: usize) -> Duration {
        let slots = u32::try_from(cases * self.rounds).unwrap_or(u32::MAX);
        (self.slice * 9 / 8 + OVERHEAD) * slots
    }
}

/// Every case, in the order of the report.
///
/// The Farcall subjects are among them if this build has them.
pub(crate) fn all(cores: usize) -> Vec<Case> {
    let mut cases = vec![PROBE];
    for wire in [Wire::Pipe, Wire::Unix, Wire::Tcp] {
        for waiting in [Waiting::Park, Waiting::Read, Waiting::Spin] {
            push_loads(&mut cases, Subject::Raw, wire, Style::Wait, waiting, &[1]);
        }
        if wire != Wire::Pipe {
            push_loads(&mut cases, Subject::Raw, wire, Style::Await, Waiting::Park, &[1]);
        }
    }
    if cfg!(feature = "calls") {
        for wire in [Wire::Pipe, Wire::Exec, Wire::Unix, Wire::Tcp] {
            for style in [Style::Wait, Style::Await] {
                for waiting in FARCALL_WAITING {
                    push_loads(&mut cases, Subject::Farcall, wire, style, waiting, &OUTSTANDING);
                }
            }
        }
    }
    cases.retain(|case| case.placement != Placement::Two || cores > 1);
    cases
}

fn push_loads(
    cases: &mut Vec<Case>,
    subject: Subject,
    wire: Wire,
    style: Style,
    waiting: Waiting,
    outstanding: &[usize],
) {
    for placement in PLACEMENTS {
        // Two spinners on one core wait for the scheduler, not for each other.
        if waiting == Waiting::Spin && placement == Placement::One {
            continue;
        }
        for (op, bytes) in LOADS {
            cases.extend(outstanding.iter().map(|&outstanding| Case {
                subject,
                wire,
                style,
                waiting,
                placement,
                op,
                bytes,
                outstanding,
            }));
        }
    }
}

/// The cases that every filter matches, with the probe and with what they are compared to.
///
/// A filter is a part of the label; one that ends in `$` must stand at the label's end.
pub(crate) fn select(all: &[Case], filters: &[String]) -> Vec<Case> {
    let chosen: Vec<Case> = all.iter().copied().filter(|case| matches(*case, filters)).collect();
    if chosen.is_empty() {
        return chosen;
    }
    let wanted = |case: &Case| {
        *case == PROBE || chosen.contains(case) || chosen.iter().any(|one| reference(*one) == Some(*case))
    };
    all.iter().copied().filter(wanted).collect()
}

fn matches(case: Case, filters: &[String]) -> bool {
    let label = case.to_string();
    filters.iter().all(|filter| match filter.strip_suffix('$') {
        Some(end) => label.ends_with(end),
        None => label.contains(filter.as_str()),
    })
}

/// The raw case that a case is compared with: one call at a time, same wire, placement and load.
///
/// Who sleeps is compared with sleeping in `poll`, on a runtime with one task of that runtime; who may stay awake is
/// compared with spinning, except on one core, where nobody can.
pub(crate) fn reference(case: Case) -> Option<Case> {
    if case == PROBE {
        return None;
    }
    let wire = if case.wire == Wire::Exec { Wire::Pipe } else { case.wire };
    let awake = matches!(case.waiting, Waiting::Auto | Waiting::Spin) && case.placement != Placement::One;
    let waiting = if awake && case.subject != Subject::Raw { Waiting::Spin } else { Waiting::Park };
    let on_runtime = case.style == Style::Await
        && case.subject != Subject::Raw
        && waiting == Waiting::Park
        && wire != Wire::Pipe;
    let style = if on_runtime { Style::Await } else { Style::Wait };
    Some(Case { subject: Subject::Raw, wire, style, waiting, outstanding: 1, ..case })
}

/// A reproducible source of orders.
#[derive(Debug)]
pub(crate) struct Shuffler {
    state: u64,
}

impl Shuffler {
    /// The same seed gives the same orders.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Puts the items into a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = last as u64 + 1;
            items.swap(last, (self.step() % bound) as usize);
        }
    }

    /// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(label: &str) -> Case {
        label.parse().unwrap()
    }

    fn labels(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        select(&all(2), &filters).iter().map(Case::to_string).collect()
    }

    #[test]
    fn selection_brings_probe_and_reference() {
        assert_eq!(
            labels(&["raw/tcp/wait/read", "one/null"]),
            [
                PROBE.to_string().as_str(),
                "raw/tcp/wait/park/one/null/32/1",
                "raw/tcp/wait/read/one/null/32/1"
            ]
        );
    }

    #[test]
    fn filter_without_match_selects_nothing() {
        assert!(labels(&["no such case"]).is_empty());
    }

    #[test]
    fn dollar_anchors_a_filter_at_the_end() {
        assert!(matches(case("raw/pipe/wait/park/one/null/32/1"), &["/1$".to_owned()]));
        assert!(!matches(case("farcall/pipe/wait/park/one/null/32/16"), &["/1$".to_owned()]));
    }

    #[test]
    fn references_are_what_the_targets_name() {
        let pairs = [
            ("farcall/unix/wait/park/one/null/32/1", "raw/unix/wait/park/one/null/32/1"),
            ("farcall/unix/await/park/two/null/32/64", "raw/unix/await/park/two/null/32/1"),
            ("farcall/exec/await/park/one/echo/64/1", "raw/pipe/wait/park/one/echo/64/1"),
            ("farcall/tcp/await/auto/two/null/32/1", "raw/tcp/wait/spin/two/null/32/1"),
            ("farcall/tcp/wait/auto/one/null/32/1", "raw/tcp/wait/park/one/null/32/1"),
            ("raw/unix/await/park/one/null/32/1", "raw/unix/wait/park/one/null/32/1"),
        ];
        for (subject, limit) in pairs {
            assert_eq!(reference(case(subject)), Some(case(limit)), "{subject}");
        }
        assert_eq!(reference(PROBE), None);
    }

    #[test]
    fn every_reference_is_in_the_plan() {
        let cases = all(2);
        let missing: Vec<Case> =
            cases.iter().filter_map(|case| reference(*case)).filter(|limit| !cases.contains(limit)).collect();
        assert_eq!(missing, []);
    }

    #[test]
    fn one_core_has_no_case_on_two() {
        assert!(all(1).iter().all(|case| case.placement != Placement::Two));
    }

    #[test]
    fn quick_run_keeps_its_budget() {
        for cases in [1, 150, 510, 1_000] {
            assert!(Effort::quick(cases).estimate(cases) < Duration::from_secs(180), "{cases}");
        }
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Shuffler::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
