//! The ring under a model checker, which tries every order of steps, and every store that a load may see.
//!
//! The short form, in every test run, allows two preemptions. With `FARCALL_LOOM_EXECUTIONS=n` the scenarios are gone through
//! with more of them, n executions in all; see the stage `loom` of the checks.

mod memory;
mod mutants;
mod scenarios;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use farcall_core::testkit::Watchdog;
use loom::model::Builder;

use memory::Mutant;
use scenarios::{SCENARIOS, Scenario};

/// Threads switched against their will, in the short form.
const PREEMPTIONS: usize = 2;

/// Goes through the executions of one scenario; says how many there were.
fn explore(scenario: Scenario, mutant: Option<Mutant>, preemptions: usize, at_most: Option<usize>) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.max_permutations = at_most;
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        scenario.run(mutant);
    });
    count.load(Relaxed)
}

#[test]
fn every_scenario_holds_in_every_execution() {
    let _watchdog = Watchdog::new(Duration::from_secs(300));
    for scenario in SCENARIOS {
        let executions = explore(scenario, None, PREEMPTIONS, None);
        println!("{:<40} {executions:>9} executions", scenario.name);
    }
}

#[test]
fn as_many_executions_as_are_asked_for_hold() {
    let asked = std::env::var("FARCALL_LOOM_EXECUTIONS").ok();
    let Some(asked) = asked.map(|text| text.parse::<u64>().expect("a number of executions")) else { return };
    let _watchdog = Watchdog::new(Duration::from_secs(3_600));
    let share = usize::try_from(asked).expect("a number of executions") / SCENARIOS.len();
    let rounds =
        (PREEMPTIONS + 1..10).flat_map(|preemptions| SCENARIOS.map(|scenario| (preemptions, scenario)));
    let rounds = Mutex::new(rounds);
    let total = AtomicU64::new(0);
    let explore_some = || {
        while total.load(Relaxed) < asked {
            let Some((preemptions, scenario)) = rounds.lock().unwrap().next() else { return };
            let executions = explore(scenario, None, preemptions, Some(share));
            println!("{:<40} {executions:>9} executions, {preemptions} preemptions", scenario.name);
            total.fetch_add(executions, Relaxed);
        }
    };
    thread::scope(|threads| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        (0..processors).for_each(|_| _ = threads.spawn(explore_some));
    });
    let total = total.load(Relaxed);
    println!("{total} executions in all");
    assert!(total >= asked, "the scenarios have only {total} executions");
}
