//! A peer that writes anything at any time: the short form of the fuzz target.

use farcall_core::testkit::Chance;

use super::super::adversary::story;

#[test]
fn no_memory_makes_a_side_leave_its_region_or_panic() {
    let stories = if cfg!(miri) { 20 } else { 20_000 };
    for seed in 0..stories {
        let mut chance = Chance::new(seed);
        let input: Vec<u8> = (0..chance.below(2_000)).map(|_| chance.number() as u8).collect();
        story(&input);
    }
}
