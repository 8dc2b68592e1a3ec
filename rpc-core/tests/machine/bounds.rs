//! What a peer, or a caller in a loop, cannot make grow.

use farcall_core::limits::{DETACHED_QUEUE, IDLE_FRAMES, SEND_BUDGET};
use farcall_core::proto::{Config, Left, Role};
use farcall_core::wire::{Flags, Head, Kind, Options};
use farcall_core::{Code, Fate, Time};

use super::lone::{Lone, Told, call_head, cancelled_frame, config, frame, plain};

#[test]
fn calls_opened_and_cancelled_keep_their_credit_until_the_verdict() {
    let mut lone = Lone::calling();
    let mut sent = Vec::new();
    for token in 0..100_000 {
        let key = lone.calls(token);
        sent.extend(lone.says().into_iter().filter(|said| said.kind == Kind::Call));
        lone.machine.cancel(key);
        lone.says();
        assert!(lone.machine.outstanding() <= 4, "cancelled calls gave their credit back");
    }
    assert_eq!(sent.len(), 4);
    for said in &sent {
        lone.hears(&cancelled_frame(said.call, Fate::Started));
    }
    assert_eq!(lone.machine.outstanding(), 0);
    lone.calls(1);
    assert_eq!(lone.says_kinds(), [Kind::Call]);
}

#[test]
fn a_peer_that_reads_nothing_fills_the_send_budget_even_with_empty_results() {
    let mut lone = Lone::serving();
    let mut frames = 0_usize;
    while lone.machine.answer_bytes() <= SEND_BUDGET {
        frames += 1;
        assert!(frames < SEND_BUDGET / 16, "verdicts without bytes are not counted");
        let key = lone.serves(frames as u64);
        lone.machine.reply(key, false, Vec::new());
    }
    lone.says();
    assert_eq!(lone.machine.answer_bytes(), 0);
}

#[test]
fn a_peer_that_reads_nothing_fills_the_send_budget_with_pongs() {
    let mut lone = Lone::serving();
    let mut id = 0;
    while lone.machine.answer_bytes() <= SEND_BUDGET {
        id += 1;
        assert!(id < 1_000, "pongs are not counted");
        let key = lone.serves(id);
        lone.machine.reply(key, false, Vec::new());
        for ping in 0..1_000 {
            lone.hears(&plain(Kind::Ping, ping, &[]));
        }
    }
    lone.says();
    assert_eq!(lone.machine.answer_bytes(), 0);
}

#[test]
fn frames_without_progress_have_a_budget_that_useful_ones_refill() {
    for idle in [
        plain(Kind::Ping, 7, &[]),
        plain(Kind::Pong, 7, &[]),
        plain(Kind::Cancel, 9, &[]),
        plain(Kind::Skippable(200), 7, &[]),
    ] {
        let mut lone = Lone::serving();
        for _ in 0..IDLE_FRAMES {
            lone.hears(&idle);
        }
        let key = lone.serves(1);
        lone.machine.reply(key, false, Vec::new());
        for _ in 0..IDLE_FRAMES + 4 {
            lone.hears(&idle);
        }
        assert!(lone.refuses(&idle).contains("without progress"));
    }
}

#[test]
fn empty_fragments_are_no_progress() {
    let mut lone = Lone::serving();
    let first = Head { flags: Flags::MORE, ..call_head(1) };
    lone.hears(&frame(first, Options::default(), &[]));
    let more = Head { flags: Flags::MORE.with(Flags::CONTINUED), ..call_head(1) };
    let endless =
        (0..=IDLE_FRAMES + 4).find_map(|_| lone.try_hear(&frame(more, Options::default(), &[])).err());
    assert!(endless.unwrap().0.contains("without progress"));
}

#[test]
fn a_whole_window_of_cancels_may_cross_its_verdicts() {
    let window = 5_000;
    let mut lone = Lone::serving_with(Config { window, ..config(Role::Accepting) });
    for id in 1..=u64::from(window) {
        let key = lone.serves(id);
        lone.machine.reply(key, false, Vec::new());
    }
    for id in 1..=u64::from(window) {
        lone.hears(&plain(Kind::Cancel, id, &[]));
    }
}

#[test]
fn detached_calls_that_wait_for_credit_are_bounded() {
    let mut lone = Lone::calling();
    for token in 0..4 {
        lone.calls(token);
    }
    lone.says();
    let refused = (4..100_000).find_map(|token| {
        let key = lone.try_call(token, vec![0; 100_000], Time::NEVER).unwrap();
        lone.machine.detach(key).err()
    });
    let error = refused.unwrap();
    assert_eq!((error.code(), error.fate()), (Code::Overloaded, Fate::NotSent));
    assert!(lone.machine.outstanding() < 60);
}

#[test]
fn a_call_marked_as_detached_is_charged_once_and_paid_back() {
    let mut lone = Lone::calling();
    for token in 0..4 {
        lone.calls(token);
    }
    lone.says();
    let most = DETACHED_QUEUE / 130_000;
    let large = |lone: &mut Lone| lone.try_call(9, vec![0; 129_000], Time::NEVER).unwrap();
    for _ in 0..2 {
        let keys: Vec<_> = (0..most).map(|_| large(&mut lone)).collect();
        for key in &keys {
            lone.machine.mark_detached(*key).unwrap();
            lone.machine.detach(*key).unwrap();
        }
        // What they were charged is free again for the next.
        assert!(keys.into_iter().all(|key| lone.machine.cancel(key) == Left::NotSent));
    }
}

#[test]
fn more_calls_than_the_window_are_a_violation() {
    let mut lone = Lone::serving();
    for id in 1..=4 {
        lone.serves(id);
    }
    let fifth = frame(call_head(5), Options::default(), b"");
    assert!(lone.refuses(&fifth).contains("more than 4 calls"));
}

#[test]
fn a_cancelled_handler_still_counts_against_the_window() {
    let mut lone = Lone::serving();
    let keys: Vec<_> = (1..=4).map(|id| lone.serves(id)).collect();
    assert_eq!(lone.hears(&plain(Kind::Cancel, 1, &[])), [Told::Stop(keys[0])]);
    let fifth = frame(call_head(5), Options::default(), b"");
    assert!(lone.refuses(&fifth).contains("more than 4 calls"));
}

#[test]
fn a_call_given_up_in_the_queue_is_not_sent() {
    let mut lone = Lone::calling();
    let keys: Vec<_> = (0..5).map(|token| lone.calls(token)).collect();
    assert_eq!(lone.says().len(), 4);
    assert_eq!(lone.machine.cancel(keys[4]), Left::NotSent);
    assert_eq!(lone.says(), []);
}
