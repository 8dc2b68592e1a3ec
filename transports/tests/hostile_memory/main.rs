//! A peer that means harm, over real shared memory: it knows `WIRE.md` and keeps to none of it, while others are served.
//!
//! Each attack is tried some times with other numbers, against servers on threads and on a runtime, with both kinds of
//! trust. The victim lives in another process; its memory and descriptors are looked at after each.

mod attacks;
mod doors;
mod end;
mod frames;
mod hosts;
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

#[test]
fn a_grant_that_is_false_is_refused_in_words() {
    hosts::carry_out(attacks::grants::TRAPS);
}

#[test]
fn answers_that_nobody_asked_for_harm_no_client() {
    hosts::carry_out(attacks::answers::TRAPS);
}

#[test]
fn requests_that_are_none_are_refused_and_hold_nobody_up() {
    doors::carry_out();
}

#[test]
fn whoever_falls_silent_is_shown_out() {
    doors::fall_silent();
}
