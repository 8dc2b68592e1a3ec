//! What each case is compared with: the raw limit of its wire, placement, load and way of waiting.

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

/// The word that both processes sleep on.
pub(crate) const fn futex(placement: Placement) -> Case {
    let (subject, wire, waiting) = (Subject::Futex, Wire::Shm, Waiting::Park);
    Case { subject, wire, waiting, placement, bytes: 4, ..PROBE }
}

/// The eventfds, whose count is all that travels.
pub(crate) const fn eventfd(placement: Placement, waiting: Waiting) -> Case {
    Case { subject: Subject::Eventfd, wire: Wire::Shm, waiting, placement, bytes: 8, ..PROBE }
}

/// The word for which both processes give the processor away.
pub(crate) const fn sched_yield(placement: Placement) -> Case {
    let (subject, wire, waiting) = (Subject::SchedYield, Wire::Shm, Waiting::Yield);
    Case { subject, wire, waiting, placement, bytes: 4, ..PROBE }
}

/// The rings; two spinners on one core would wait for the scheduler, so that there they give the processor away.
pub(crate) const fn ring(placement: Placement, bytes: usize) -> Case {
    let waiting = if matches!(placement, Placement::One) { Waiting::Yield } else { Waiting::Spin };
    Case { subject: Subject::Ring, wire: Wire::Shm, waiting, placement, op: Op::Echo, bytes, ..PROBE }
}

/// The raw case that a case is compared with: one call at a time, same placement and load.
///
/// Calls that sleep are compared with sleeping in `poll`, on a runtime with one task of that runtime. Calls that may stay
/// awake are compared with spinning, and on one core, where nobody can, with the cheapest sleep. A raw case is compared
/// with the one that sleeps.
pub(crate) fn reference(case: Case) -> Option<Case> {
    if case == PROBE || case.op.is_special() {
        return None;
    }
    Some(match (case.subject, case.wire) {
        (Subject::Farcall, Wire::Shm) => of_shared_memory(case),
        (Subject::Farcall, Wire::Posix | Wire::SystemV | Wire::Mmap) => Case { wire: Wire::Shm, ..case },
        (Subject::Farcall, _) => of_descriptors(case),
        (Subject::Raw, _) => Case { style: Style::Wait, waiting: Waiting::Park, ..case },
        (Subject::Futex | Subject::Eventfd | Subject::SchedYield, _) => futex(case.placement),
        (Subject::Ring, _) => case,
    })
}

/// The raw case that is measured right after that one, not only once a round: its limit or, for many calls, the probe.
///
/// The host moves the cores: from one second to the next a line travels five times as far, which calls that are awake on
/// two cores feel more than anything of their own.
pub(crate) fn beside(case: Case) -> Option<Case> {
    let feels = case.subject == Subject::Farcall && case.placement == Placement::Two && is_awake(case);
    match case.outstanding {
        _ if !feels => None,
        1 => reference(case),
        _ => (case.wire == Wire::Shm && !case.op.is_special()).then_some(PROBE),
    }
}

fn of_shared_memory(case: Case) -> Case {
    match (case.op, is_awake(case), case.placement) {
        (Op::Echo, ..) => ring(case.placement, case.bytes),
        (_, true, Placement::One) => futex(Placement::One),
        (_, true, _) => PROBE,
        (_, false, placement) => eventfd(placement, Waiting::Park),
    }
}

fn of_descriptors(case: Case) -> Case {
    let wire = match case.wire {
        Wire::Exec | Wire::Fifo => Wire::Pipe,
        Wire::Mailbox => Wire::Mq,
        wire => wire,
    };
    let waiting = match (is_awake(case), case.placement) {
        (true, Placement::One) if wire == Wire::Mq => Waiting::Park,
        (true, Placement::One) => Waiting::Read,
        (true, _) => Waiting::Spin,
        (false, _) => Waiting::Park,
    };
    let on_runtime =
        case.style == Style::Await && waiting == Waiting::Park && !matches!(wire, Wire::Pipe | Wire::Mq);
    let style = if on_runtime { Style::Await } else { Style::Wait };
    Case { subject: Subject::Raw, wire, style, waiting, outstanding: 1, ..case }
}

fn is_awake(case: Case) -> bool {
    matches!(case.waiting, Waiting::Auto | Waiting::Spin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_what_the_bars_name() {
        let pairs = [
            ("farcall/unix/wait/park/one/null/32/1", "raw/unix/wait/park/one/null/32/1"),
            ("farcall/unix/await/park/two/null/32/64", "raw/unix/await/park/two/null/32/1"),
            ("farcall/exec/await/park/one/echo/64/1", "raw/pipe/wait/park/one/echo/64/1"),
            ("farcall/tcp/await/auto/two/null/32/1", "raw/tcp/wait/spin/two/null/32/1"),
            ("farcall/pipe/wait/auto/two/null/32/1", "raw/pipe/wait/spin/two/null/32/1"),
            ("farcall/unix/await/auto/one/null/32/1", "raw/unix/wait/read/one/null/32/1"),
            ("farcall/shm/wait/spin/two/null/32/1", "raw/cacheline/wait/spin/two/null/64/1"),
            ("farcall/shm/await/auto/two/null/32/1", "raw/cacheline/wait/spin/two/null/64/1"),
            ("farcall/shm/await/auto/one/null/32/1", "futex/shm/wait/park/one/null/4/1"),
            ("farcall/shm/wait/park/two/null/32/1", "eventfd/shm/wait/park/two/null/8/1"),
            ("farcall/mmap/wait/auto/two/null/32/1", "farcall/shm/wait/auto/two/null/32/1"),
            ("farcall/mq/await/auto/two/null/32/1", "raw/mq/wait/spin/two/null/32/1"),
            ("farcall/fifo/wait/auto/two/null/32/1", "raw/pipe/wait/spin/two/null/32/1"),
            ("farcall/shm/wait/auto/two/echo/65536/1", "ring/shm/wait/spin/two/echo/65536/1"),
            ("farcall/shm/wait/auto/one/echo/64/16", "ring/shm/wait/yield/one/echo/64/1"),
            ("raw/unix/await/park/one/null/32/1", "raw/unix/wait/park/one/null/32/1"),
            ("sched_yield/shm/wait/yield/one/null/4/1", "futex/shm/wait/park/one/null/4/1"),
        ];
        for (subject, limit) in pairs {
            assert_eq!(reference(subject.parse().unwrap()), Some(limit.parse().unwrap()), "{subject}");
        }
        assert_eq!(reference(PROBE), None);
        assert_eq!(reference("farcall/shm/await/auto/one/polite/32/1".parse().unwrap()), None);
    }

    #[test]
    fn calls_that_are_awake_on_two_cores_have_their_limit_beside_them() {
        let beside = |label: &str| beside(label.parse().unwrap()).map(|case| case.to_string());
        let ring = "ring/shm/wait/spin/two/echo/65536/1";
        assert_eq!(beside("farcall/shm/wait/auto/two/echo/65536/1").as_deref(), Some(ring));
        assert_eq!(beside("farcall/shm/wait/auto/two/echo/64/64"), Some(PROBE.to_string()));
        assert_eq!(beside("farcall/shm/wait/park/two/null/32/1"), None);
        assert_eq!(beside("farcall/unix/await/auto/one/null/32/1"), None);
        assert_eq!(beside("farcall/shm/await/auto/two/polite/32/1"), None);
        assert_eq!(beside(ring), None);
    }
}
