//! How often and how long each case is measured, and what a run of them will take.

use std::time::Duration;

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
    /// How long idle connections rest, all at once and after everything else.
    pub(crate) rest: Duration,
}

impl Effort {
    /// Five rounds of 0.4 s, and 10 s of rest.
    pub(crate) fn full() -> Self {
        Self { rounds: 5, slice: Duration::from_millis(400), rest: Duration::from_secs(10) }
    }

    /// Three rounds of at most 0.15 s, less where many cases share the time of a quick run, and 2 s of rest.
    pub(crate) fn quick(cases: usize) -> Self {
        let rounds = 3;
        let slots = u32::try_from(cases.max(1) * rounds).unwrap_or(u32::MAX);
        let share = (QUICK_BUDGET / slots).saturating_sub(OVERHEAD) * 8 / 9;
        let slice = share.clamp(SHORTEST_SLICE, Duration::from_millis(150));
        Self { rounds, slice, rest: Duration::from_secs(2) }
    }

    /// What a run of so many cases will take, roughly.
    pub(crate) fn estimate(self, cases: usize) -> Duration {
        let slots = u32::try_from(cases * self.rounds).unwrap_or(u32::MAX);
        (self.slice * 9 / 8 + OVERHEAD) * slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_run_keeps_its_budget() {
        for cases in [1, 150, 510, 1_100] {
            assert!(Effort::quick(cases).estimate(cases) < Duration::from_secs(180), "{cases}");
        }
    }
}
