//! Which connection takes a call.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use farcall_core::client::Member;

/// How a connection is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::face) enum Choice {
    /// The one with the fewest calls: for workers that only this client has.
    LeastBusy,
    /// The less busy of two that are chosen at random, so that many clients with the same view do not all choose the same
    /// (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
    TwoAtRandom,
}

impl Choice {
    /// One of these, if there are any.
    pub(super) fn of(self, live: &[Arc<Member>]) -> Option<&Arc<Member>> {
        self.index(live.len(), |at| live[at].calls()).map(|at| &live[at])
    }

    fn index(self, count: usize, calls: impl Fn(usize) -> usize) -> Option<usize> {
        match (self, count) {
            (_, 0) => None,
            (_, 1) => Some(0),
            // From a random one on, so that idle ones take turns.
            (Choice::LeastBusy, _) => {
                let first = random(count);
                (0..count).map(|step| (first + step) % count).min_by_key(|at| calls(*at))
            }
            (Choice::TwoAtRandom, _) => {
                let one = random(count);
                let other = (one + 1 + random(count - 1)) % count;
                Some(if calls(one) <= calls(other) { one } else { other })
            }
        }
    }
}

/// A number below `below`, not for secrets.
fn random(below: usize) -> usize {
    let number = RandomState::new().hash_one(below);
    usize::try_from(number % below as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of these is chosen for 10,000 calls that never end.
    fn spread(choice: Choice, count: usize) -> Vec<usize> {
        let mut calls = vec![0; count];
        for _ in 0..10_000 {
            let at = choice.index(count, |at| calls[at]).unwrap();
            calls[at] += 1;
        }
        calls
    }

    #[test]
    fn both_choices_spread_calls_evenly() {
        for choice in [Choice::LeastBusy, Choice::TwoAtRandom] {
            let calls = spread(choice, 7);
            let (least, most) = (calls.iter().min().unwrap(), calls.iter().max().unwrap());
            assert!(most - least <= 40, "{choice:?}: {calls:?}");
        }
    }

    #[test]
    fn two_at_random_are_two() {
        for _ in 0..1_000 {
            let at = Choice::TwoAtRandom.index(2, |at| at).unwrap();
            assert_eq!(at, 0, "of two, both are looked at");
        }
    }

    #[test]
    fn of_idle_ones_each_has_its_turn() {
        let mut seen = [false; 4];
        for _ in 0..1_000 {
            seen[Choice::LeastBusy.index(4, |_| 0).unwrap()] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn nobody_is_chosen_where_nobody_is() {
        assert_eq!(Choice::LeastBusy.index(0, |_| 0), None);
    }
}
