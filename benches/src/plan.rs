//! The plan: which cases are measured.

use crate::case::{Case, Op, Placement, Style, Subject, Waiting, Wire};
use crate::limits::{PROBE, eventfd, futex, reference, ring, sched_yield};

const PLACEMENTS: [Placement; 3] = [Placement::Two, Placement::One, Placement::Free];
const LOADS: [(Op, usize); 5] =
    [(Op::Null, 32), (Op::Echo, 64), (Op::Echo, 1 << 10), (Op::Echo, 64 << 10), (Op::Echo, 1 << 20)];
const OUTSTANDING: [usize; 3] = [1, 16, 64];

/// The wires that calls take.
const CALLED: [Wire; 5] = [Wire::Shm, Wire::Pipe, Wire::Exec, Wire::Unix, Wire::Tcp];
/// Wires of which less is measured: those that differ from another in one thing only, or are seldom chosen for speed.
const FURTHER: [Wire; 6] = [Wire::Posix, Wire::SystemV, Wire::Mmap, Wire::Mq, Wire::Fifo, Wire::Mailbox];
const STYLES: [Style; 2] = [Style::Wait, Style::Await];
/// The policies of the library.
const POLICIES: [Waiting; 3] = [Waiting::Park, Waiting::Auto, Waiting::Spin];

/// Every case on so many cores, in the order of the report, without the Farcall cases that this build does not accept.
pub(crate) fn all(cores: usize, accepts: impl Fn(Case) -> bool) -> Vec<Case> {
    let mut cases = vec![PROBE];
    cases.extend(PLACEMENTS.into_iter().flat_map(raw_memory));
    for wire in [Wire::Pipe, Wire::Unix, Wire::Tcp] {
        for waiting in [Waiting::Park, Waiting::Read, Waiting::Spin] {
            cases.extend(loads(Subject::Raw, wire, Style::Wait, waiting));
        }
        if wire != Wire::Pipe {
            cases.extend(loads(Subject::Raw, wire, Style::Await, Waiting::Park));
        }
    }
    for wire in CALLED {
        for style in STYLES {
            for waiting in POLICIES {
                cases.extend(loads(Subject::Farcall, wire, style, waiting));
            }
        }
    }
    for wire in [Wire::Mq, Wire::Fifo] {
        for waiting in [Waiting::Park, Waiting::Spin] {
            cases.extend(few(Subject::Raw, wire, Style::Wait, waiting));
        }
    }
    for wire in FURTHER {
        for style in STYLES {
            for waiting in [Waiting::Park, Waiting::Auto] {
                cases.extend(few(Subject::Farcall, wire, style, waiting));
            }
        }
    }
    cases.extend(specials());
    cases.retain(|case| {
        (case.placement != Placement::Two || cores > 1)
            && (case.subject != Subject::Farcall || accepts(*case))
    });
    cases
}

/// The raw cases of shared memory in one placement.
fn raw_memory(placement: Placement) -> Vec<Case> {
    let bells = [Waiting::Park, Waiting::Read].map(|waiting| eventfd(placement, waiting));
    let echoes = LOADS.iter().filter(|(op, _)| *op == Op::Echo).map(|&(_, bytes)| ring(placement, bytes));
    [futex(placement), sched_yield(placement)].into_iter().chain(bells).chain(echoes).collect()
}

/// Every load in every placement; several calls outstanding only for Farcall, where processes have their places.
fn loads(subject: Subject, wire: Wire, style: Style, waiting: Waiting) -> Vec<Case> {
    let mut cases = Vec::new();
    for placement in PLACEMENTS {
        // Two spinners on one core wait for the scheduler, not for each other.
        if waiting == Waiting::Spin && placement == Placement::One {
            continue;
        }
        for (op, bytes) in LOADS {
            // With several calls outstanding nobody spins; large ones are measured under one policy.
            let alone = subject == Subject::Raw
                || waiting == Waiting::Spin
                || placement == Placement::Free
                || (waiting == Waiting::Park && bytes > 64);
            let several = if alone { &OUTSTANDING[..1] } else { &OUTSTANDING[..] };
            cases.extend(several.iter().map(|&outstanding| Case {
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
    cases
}

/// Small loads, one call at a time: a message queue holds no large ones.
fn few(subject: Subject, wire: Wire, style: Style, waiting: Waiting) -> Vec<Case> {
    let mut cases = loads(subject, wire, style, waiting);
    cases.retain(|case| case.bytes <= 1 << 10 && case.outstanding == 1 && case.placement != Placement::Free);
    cases
}

/// The cases that ask another question than how fast one connection is.
fn specials() -> Vec<Case> {
    let mut cases = Vec::new();
    for wire in CALLED {
        for waiting in [Waiting::Park, Waiting::Auto] {
            let polite =
                [Placement::Two, Placement::One].map(|placement| (Style::Await, placement, Op::Polite));
            let idle = STYLES.map(|style| (style, Placement::Free, Op::Idle));
            let many = STYLES.into_iter().flat_map(|style| {
                [Placement::Two, Placement::One].map(|placement| (style, placement, Op::Many))
            });
            // Each connection of these wires has a server of its own.
            let many = many.filter(|_| !matches!(wire, Wire::Pipe | Wire::Exec));
            cases.extend(polite.into_iter().chain(idle).chain(many).map(|(style, placement, op)| Case {
                subject: Subject::Farcall,
                wire,
                style,
                waiting,
                placement,
                op,
                bytes: 32,
                outstanding: 1,
            }));
        }
    }
    cases.push(Case {
        subject: Subject::Farcall,
        wire: Wire::Shm,
        style: Style::Wait,
        waiting: Waiting::Auto,
        placement: Placement::Two,
        op: Op::Pool,
        bytes: 32,
        outstanding: 1,
    });
    cases
}

/// The cases that are wanted, with the probe and with what they are compared to.
pub(crate) fn select(all: &[Case], is_wanted: impl Fn(Case) -> bool) -> Vec<Case> {
    let chosen: Vec<Case> = all.iter().copied().filter(|&case| is_wanted(case)).collect();
    if chosen.is_empty() {
        return chosen;
    }
    let is_needed = |case: &Case| {
        *case == PROBE || chosen.contains(case) || chosen.iter().any(|one| reference(*one) == Some(*case))
    };
    all.iter().copied().filter(is_needed).collect()
}

/// Whether every filter matches.
///
/// A filter is a part of the label; one that ends in `$` must stand at the label's end.
pub(crate) fn matches(case: Case, filters: &[String]) -> bool {
    let label = case.to_string();
    filters.iter().all(|filter| match filter.strip_suffix('$') {
        Some(end) => label.ends_with(end),
        None => label.contains(filter.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn case(label: &str) -> Case {
        label.parse().unwrap()
    }

    fn everything() -> Vec<Case> {
        all(2, |_| true)
    }

    fn labels(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        select(&everything(), |case| matches(case, &filters)).iter().map(Case::to_string).collect()
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
    fn every_reference_is_in_the_plan() {
        let cases = everything();
        let missing: Vec<Case> =
            cases.iter().filter_map(|case| reference(*case)).filter(|limit| !cases.contains(limit)).collect();
        assert_eq!(missing, []);
    }

    #[test]
    fn one_core_has_no_case_on_two() {
        assert!(all(1, |_| true).iter().all(|case| case.placement != Placement::Two));
    }

    #[test]
    fn every_case_stands_once_in_the_plan() {
        let cases = everything();
        let distinct: HashSet<Case> = cases.iter().copied().collect();
        assert_eq!(distinct.len(), cases.len());
    }

    #[test]
    fn refused_calls_leave_the_raw_limits() {
        let cases = all(2, |_| false);
        assert!(cases.contains(&PROBE) && cases.iter().all(|case| case.subject != Subject::Farcall));
    }
}
