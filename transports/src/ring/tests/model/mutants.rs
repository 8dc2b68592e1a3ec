//! The mutants: orderings weakened one at a time, each of which must show in some scenario.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::time::Duration;

use farcall_core::testkit::Watchdog;

use super::super::super::sites::{FENCES, Fence, LOADS, Load, STORES, Store};
use super::memory::Mutant;
use super::scenarios::{SCENARIOS, Scenario};
use super::{PREEMPTIONS, explore};

/// Every ordering that is stronger than relaxed, made weaker in every way that matters.
const MUTANTS: [Mutant; 14] = [
    Mutant::Load(Load::Stamp),
    Mutant::Store(Store::Stamp),
    Mutant::Load(Load::Check),
    Mutant::Store(Store::Check),
    Mutant::Load(Load::Head),
    Mutant::Store(Store::Head),
    Mutant::Fence(Fence::Announced, None),
    Mutant::Fence(Fence::Announced, Some(Acquire)),
    Mutant::Fence(Fence::Announced, Some(Release)),
    Mutant::Fence(Fence::Announced, Some(AcqRel)),
    Mutant::Fence(Fence::Told, None),
    Mutant::Fence(Fence::Told, Some(Acquire)),
    Mutant::Fence(Fence::Told, Some(Release)),
    Mutant::Fence(Fence::Told, Some(AcqRel)),
];

/// Whether this scenario fails with this mutant.
fn is_betrayed_by(scenario: Scenario, mutant: Mutant) -> bool {
    let run = AssertUnwindSafe(|| explore(scenario, Some(mutant), PREEMPTIONS, None));
    catch_unwind(run).is_err()
}

#[test]
fn every_weakened_ordering_fails() {
    let _watchdog = Watchdog::new(Duration::from_secs(300));
    for mutant in MUTANTS {
        let scenario = SCENARIOS.iter().find(|scenario| is_betrayed_by(**scenario, mutant));
        let scenario = scenario.unwrap_or_else(|| panic!("{mutant:?} is not noticed"));
        println!("{mutant:?}: {}", scenario.name);
    }
}

/// Whoever sleeps for frames and whoever sleeps for room: each by itself needs the fences.
#[test]
fn every_weakened_fence_fails_on_both_sides() {
    let _watchdog = Watchdog::new(Duration::from_secs(300));
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains("sleep")) {
        for mutant in MUTANTS.iter().filter(|mutant| matches!(mutant, Mutant::Fence(..))) {
            assert!(is_betrayed_by(*scenario, *mutant), "{mutant:?} is not noticed where {}", scenario.name);
        }
    }
}

#[test]
fn every_ordering_above_relaxed_has_a_mutant() {
    use std::sync::atomic::Ordering::Relaxed;
    let strong_loads = LOADS.iter().filter(|(_, ordering, _)| *ordering != Relaxed).count();
    let strong_stores = STORES.iter().filter(|(_, ordering)| *ordering != Relaxed).count();
    assert_eq!(strong_loads + strong_stores + 4 * FENCES.len(), MUTANTS.len());
}
