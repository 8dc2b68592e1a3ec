//! A peer that means harm, over real shared memory: it knows `WIRE.md` and keeps to none of it, while others are served.
//!
//! Each attack is tried some times with other numbers, against servers on threads and on a runtime, with both kinds of
//! trust. The victim lives in another process; its memory and descriptors are looked at after each.

mod attacks;
mod end;
mod frames;
mod region;
mod rendezvous;
mod siege;
mod victim;
mod visitors;

#[test]
fn plays_the_victim_when_asked() {
    victim::play_if_asked();
}

#[test]
fn records_that_are_none_end_their_connection_only() {
    visitors::carry_out(attacks::records::ATTACKS);
}

#[test]
fn bells_and_descriptors_that_are_abused_harm_nobody() {
    visitors::carry_out(attacks::bells::ATTACKS);
}

#[test]
fn frames_that_lie_end_their_connection_only() {
    visitors::carry_out(attacks::messages::ATTACKS);
}

#[test]
fn strangers_are_told_what_is_wrong_and_shown_out() {
    visitors::carry_out_by_strangers(attacks::messages::STRANGERS);
}
