//! Frames of all sizes through rings of all fillings, one side at a time.

use std::collections::VecDeque;

use farcall_core::limits::{MAX_FRAME, MAX_HEAD};
use farcall_core::testkit::Chance;

use super::super::layout::{HEAD, LINE};
use super::super::{Broken, Layout, Popped, Pushed};
use super::pair;

const RING: usize = 128 * 1024;

/// Every size; an interpreter has time for some.
const SPARSE: usize = if cfg!(miri) { 37 } else { 1 };

/// Recognisable bytes.
fn bytes(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + seed) as u8).collect()
}

#[test]
fn frames_come_out_as_they_went_in() {
    let (mut here, mut there) = pair(Layout::new(RING).unwrap());
    let mut frame = Vec::new();
    let around_lines = (1..6).flat_map(|lines| lines * LINE - HEAD - 2..lines * LINE - HEAD + 3);
    let sizes: Vec<usize> = (0..=200).chain(around_lines).chain(MAX_FRAME - 3..=MAX_FRAME).collect();
    let sizes: Vec<usize> = sizes.into_iter().step_by(SPARSE).collect();
    for (seed, size) in sizes.iter().enumerate() {
        let sent = bytes(*size, seed);
        let (head, body) = sent.split_at(size / 3);
        assert_eq!(here.producer.push(head, body), Ok(Pushed::Taken));
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
        assert!(frame == sent, "{size} bytes");
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Nothing));
    }
    assert_eq!(here.producer.taken(), Ok(sizes.len() as u64));
}

/// Every offset at which a record can lie over the end, with head and body cut by it.
#[test]
fn a_frame_goes_round_the_end() {
    let layout = Layout::tiny(16, 500);
    for before in (0..16).step_by(SPARSE.min(5)) {
        for size in (0..400).step_by(SPARSE) {
            let (mut here, mut there) = pair(layout);
            let mut frame = Vec::new();
            for _ in 0..before {
                here.producer.push(&[], &[]).unwrap();
                there.consumer.pop(&mut frame).unwrap();
            }
            let sent = bytes(size, before);
            let (head, body) = sent.split_at(size / 2);
            assert_eq!(here.producer.push(head, body), Ok(Pushed::Taken));
            assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
            assert_eq!(frame, sent);
        }
    }
}

/// Over every offset at which the first step or the second goes round the end.
#[test]
fn a_long_frame_comes_in_two_steps_as_it_went_in() {
    let layout = Layout::tiny(16, 600);
    for before in 0..16 {
        for size in [MAX_HEAD, MAX_HEAD + 1, 500, 600] {
            let (mut here, mut there) = pair(layout);
            let mut frame = Vec::new();
            for _ in 0..before {
                here.producer.push(&[], &[]).unwrap();
                there.consumer.pop(&mut frame).unwrap();
            }
            let sent = bytes(size, before);
            here.producer.push(&sent[..20], &sent[20..]).unwrap();
            let begun = there.consumer.pop_first(&mut frame, 0).unwrap();
            if size == MAX_HEAD {
                assert_eq!((begun, &frame), (Popped::Frame, &sent));
                continue;
            }
            assert_eq!(begun, Popped::Begun(size - MAX_HEAD));
            assert_eq!(frame, sent[..MAX_HEAD]);
            let mut gathered = b"and ".to_vec();
            gathered.append(&mut frame);
            there.consumer.pop_rest(&mut gathered);
            assert!(gathered[4..] == sent, "{size} bytes after {before} lines");
            there.consumer.pop_rest(&mut gathered);
            assert_eq!(gathered.len(), size + 4, "nothing is left");
            assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Nothing));
        }
    }
}

#[test]
fn a_full_ring_takes_again_what_was_taken_from_it() {
    let (mut here, mut there) = pair(Layout::new(RING).unwrap());
    let lines = RING / LINE - 1;
    for _ in 0..lines {
        assert_eq!(here.producer.push(&[], &[]), Ok(Pushed::Taken));
    }
    let mut frame = Vec::new();
    for _ in 0..3 {
        assert_eq!(here.producer.push(&[], &[]), Ok(Pushed::Full));
        assert_eq!(here.producer.has_room(0), Ok(false));
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
        assert_eq!(here.producer.has_room(LINE), Ok(false));
        assert_eq!(here.producer.push(&[], &[]), Ok(Pushed::Taken));
    }
    let mut left = 0;
    while there.consumer.pop(&mut frame) == Ok(Popped::Frame) {
        left += 1;
    }
    assert_eq!(left, lines);
}

#[test]
fn the_end_comes_behind_the_last_frame_of_a_full_ring() {
    let (mut here, mut there) = pair(Layout::tiny(4, 32));
    for _ in 0..3 {
        assert_eq!(here.producer.push(b"a", b"b"), Ok(Pushed::Taken));
    }
    here.producer.close();
    here.producer.close();
    assert_eq!(here.producer.push(b"c", b""), Err(Broken::Ended));
    let mut frame = Vec::new();
    for _ in 0..3 {
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
    }
    for _ in 0..2 {
        assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Closed));
        assert!(there.consumer.is_ready());
    }
    assert_eq!(here.producer.taken(), Ok(3), "the count outlives the end");
}

#[test]
fn both_directions_do_not_touch_each_other() {
    let (mut here, mut there) = pair(Layout::tiny(4, 32));
    let (mut to_here, mut to_there) = (Vec::new(), Vec::new());
    for number in 0..50_u8 {
        here.producer.push(&[number], b"to there").unwrap();
        there.producer.push(&[number], b"to here").unwrap();
        assert_eq!(here.consumer.pop(&mut to_here), Ok(Popped::Frame));
        assert_eq!(there.consumer.pop(&mut to_there), Ok(Popped::Frame));
        assert_eq!((&to_here[1..], &to_there[1..]), (&b"to here"[..], &b"to there"[..]));
    }
}

#[test]
fn random_traffic_arrives_in_order() {
    let seeds = if cfg!(miri) { 1 } else { 200 };
    for seed in 0..seeds {
        let mut chance = Chance::new(seed);
        let tiny = chance.hits(1, 2);
        let layout = if tiny { Layout::tiny(32, 700) } else { Layout::new(RING).unwrap() };
        let longest = if tiny { 700 } else { MAX_FRAME };
        let (mut here, mut there) = pair(layout);
        let (mut sent, mut frame) = (VecDeque::new(), Vec::new());
        let mut taken = 0;
        for step in 0..if cfg!(miri) { 25 } else { 500 } {
            if chance.hits(1, 2) {
                let most = if chance.hits(1, 8) { longest } else { 200 };
                let new = bytes(chance.below(most + 1), step);
                let (head, body) = new.split_at(chance.below(new.len() + 1));
                match here.producer.push(head, body).unwrap() {
                    Pushed::Taken => sent.push_back(new),
                    Pushed::Full => assert!(!sent.is_empty(), "an empty ring has room for any frame"),
                }
            } else {
                let popped = match there.consumer.pop_first(&mut frame, MAX_HEAD << chance.below(2)).unwrap()
                {
                    Popped::Begun(_) => {
                        assert!(there.consumer.is_ready());
                        assert_eq!(here.producer.taken(), Ok(taken));
                        there.consumer.pop_rest(&mut frame);
                        Popped::Frame
                    }
                    whole => whole,
                };
                match popped {
                    Popped::Frame => {
                        assert_eq!(Some(&frame), sent.pop_front().as_ref());
                        taken += 1;
                    }
                    other => assert_eq!((other, sent.len()), (Popped::Nothing, 0)),
                }
            }
            assert_eq!(here.producer.taken(), Ok(taken));
            assert_eq!(there.consumer.is_ready(), !sent.is_empty());
        }
    }
}

#[test]
fn a_sleeper_is_rung_for_once_for_each_sleep() {
    let (mut here, mut there) = pair(Layout::tiny(4, 32));
    here.producer.push(b"for", b"you").unwrap();
    assert!(!here.must_ring(true));
    assert!(!there.rest.awake(), "nobody has announced");
    there.rest.announce();
    assert!(there.rest.is_announced());
    assert!(here.must_ring(true));
    assert!(!here.must_ring(true));
    there.rest.announce();
    assert!(here.must_ring(true), "a second sleeper on the same link");
    assert!(there.rest.awake());
    assert!(!here.must_ring(true));
    there.rest.announce();
    assert!(!there.rest.awake(), "nobody has seen it");
    assert!(!here.must_ring(true));
}

#[test]
fn room_is_told_of_in_quarters() {
    let (mut here, mut there) = pair(Layout::tiny(16, 32));
    let mut frame = Vec::new();
    here.rest.announce();
    for freed in 1..=4 {
        here.producer.push(&[], &[]).unwrap();
        there.consumer.pop(&mut frame).unwrap();
        assert_eq!(there.must_ring(false), freed == 4);
    }
    assert!(!there.consumer.owes_room());
}

#[test]
fn nobody_is_rung_for_who_has_taken_everything_but_the_end_is_told() {
    let (mut here, mut there) = pair(Layout::tiny(4, 32));
    here.producer.push(b"for", b"you").unwrap();
    there.consumer.pop(&mut Vec::new()).unwrap();
    there.rest.announce();
    assert!(!here.must_ring(true));
    here.producer.close();
    assert!(here.must_ring(true));
}

/// Whoever waits for room and has taken everything is not rung for because of frames; the room is still to be told.
#[test]
fn room_that_was_freed_beside_a_frame_is_not_forgotten() {
    let (mut here, mut there) = pair(Layout::tiny(16, 12 * LINE - HEAD));
    let (large, mut frame) = ([0; 12 * LINE - HEAD], Vec::new());
    for _ in 0..4 {
        here.producer.push(&[], &[]).unwrap();
    }
    there.producer.push(b"for", b"you").unwrap();
    here.consumer.pop(&mut frame).unwrap();
    here.rest.announce();
    assert_eq!(here.producer.has_room(large.len()), Ok(false));
    for _ in 0..3 {
        there.consumer.pop(&mut frame).unwrap();
    }
    assert!(!there.must_ring(true));
    there.consumer.pop(&mut frame).unwrap();
    assert!(there.must_ring(false), "a quarter of the ring is free again");
    assert_eq!(here.producer.push(&large, &[]), Ok(Pushed::Taken));
}
