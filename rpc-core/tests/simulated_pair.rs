//! The simulated pair: thousands of lives of a connection, each told by a seed, and one cut at every byte.
//!
//! `FARCALL_SIM_SEEDS=100000 cargo test -p farcall-core --test simulated_pair` is the long form;
//! `FARCALL_SIM_SEED=17` runs one seed alone.

use std::time::Duration;

use farcall_core::testkit::sim::{Counts, Ends, FixedScript, Setup, run_script, run_seed};
use farcall_core::testkit::{Cut, Watchdog};

const USUAL_SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn lives(ends: Ends) {
    let seeds = number("FARCALL_SIM_SEEDS").unwrap_or(USUAL_SEEDS);
    let _watchdog = Watchdog::new(Duration::from_secs(120 + seeds / 50));
    if let Some(seed) = number("FARCALL_SIM_SEED") {
        println!("{:?}", run_seed(ends, seed));
        return;
    }
    let counts = (0..seeds).map(|seed| run_seed(ends, seed)).fold(Counts::default(), Counts::plus);
    println!("{counts:?}");
    if seeds >= USUAL_SEEDS {
        assert!(counts.answered > 1_000 && counts.left > 1_000, "the stories are too short: {counts:?}");
        assert!(counts.fates.iter().all(|times| *times > 50), "a fate is hardly ever met: {counts:?}");
    }
}

#[test]
fn machines_keep_every_rule_through_thousands_of_lives() {
    lives(Ends::Machine);
}

#[test]
fn drivers_keep_every_rule_through_thousands_of_lives() {
    lives(Ends::Driver);
}

/// Runs the script with the link cut at `at` bytes of a direction.
fn cut(ends: Ends, script: &FixedScript, way: usize, at: usize, chunk: usize) -> Counts {
    let how = if at.is_multiple_of(2) { Cut::Clean } else { Cut::Reset };
    run_script(ends, script, Setup { cut: Some((way, at, how)), chunk, ..Setup::default() })
}

#[test]
fn fates_are_true_and_precise_wherever_the_link_is_cut() {
    let _watchdog = Watchdog::new(Duration::from_secs(120));
    let script = FixedScript { calls: vec![(0, 8, 40), (1, 70, 8), (0, 200, 300)] };
    for ends in [Ends::Machine, Ends::Driver] {
        let whole = run_script(ends, &script, Setup::default());
        assert_eq!((whole.calls, whole.answered), (3, 3));
        for way in 0..2 {
            for at in 0..=whole.bytes[way] {
                for chunk in [1, 13, usize::MAX] {
                    let counts = cut(ends, &script, way, at, chunk);
                    assert!(
                        counts.answered < 3 || at >= whole.bytes[way] - 60,
                        "answered, though cut at {at}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_message_in_fragments_is_not_sent_until_its_last_byte_has_left() {
    let _watchdog = Watchdog::new(Duration::from_secs(120));
    let script = FixedScript { calls: vec![(0, 150_000, 8), (0, 8, 140_000)] };
    let whole = run_script(Ends::Machine, &script, Setup::default());
    // Within reach of each end of a fragment, and here and there between.
    let near = |at: &usize| at % 65_536 < 700 || at % 65_536 > 65_500 || at.is_multiple_of(1_009);
    for way in 0..2 {
        for at in (0..=whole.bytes[way]).filter(near) {
            cut(Ends::Machine, &script, way, at, usize::MAX);
        }
    }
}
