//! Deadlines, pings and stalls: time is given, never read.

use std::time::Duration;

use farcall_core::limits::{
    CLOCK_TICK, FRAME_PROGRESS, HANDSHAKE, IDLE_FRAMES, IDLE_REFILL, MAX_DEADLINE, PING_AFTER, PING_TIMEOUT,
    POOL_PING, WRITE_STALL,
};
use farcall_core::proto::{Config, Pulse, Role, Stage};
use farcall_core::wire::{Flags, Head, Hello, Kind, Options, decode_error};
use farcall_core::{Code, Fate, Gone, Time};

use super::lone::{Lone, Told, call_head, config, frame, hello, plain};

/// By how much a server stops a handler later than its reading of the clocks says.
const LATE: Duration = CLOCK_TICK.saturating_add(CLOCK_TICK);

const MOMENT: Duration = Duration::from_millis(1);

fn due(left: Duration) -> Vec<u8> {
    frame(call_head(1), Options { deadline: Some(left), ..Options::default() }, b"args")
}

fn closed_by(told: &[Told]) -> Code {
    match told {
        [Told::Closed(error)] => error.code(),
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn a_deadline_that_has_passed_on_arrival_is_refused_before_the_handler() {
    let mut lone = Lone::serving();
    assert_eq!(lone.hears(&due(Duration::ZERO)), []);
    let said = lone.says();
    let error = decode_error(&said[0].payload).unwrap();
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotExecuted));
}

#[test]
fn a_hostile_deadline_is_cut_to_the_longest() {
    for left in [Duration::MAX, Duration::from_nanos(u64::MAX), MAX_DEADLINE + MOMENT] {
        let mut lone = Lone::serving();
        lone.now = Time::from_nanos(u64::MAX / 2);
        assert!(matches!(lone.hears(&due(left))[..], [Told::Request(..)]));
        assert_eq!(lone.due(), Some(lone.now + MAX_DEADLINE + LATE));
        lone.passes(MAX_DEADLINE + LATE);
        assert_eq!(lone.says_kinds(), [Kind::Error]);
    }
    let mut lone = Lone::serving();
    lone.now = Time::NEVER;
    lone.hears(&due(Duration::MAX));
    lone.passes(Duration::MAX);
}

#[test]
fn a_call_without_deadline_gets_the_longest() {
    let mut lone = Lone::serving();
    lone.serves(1);
    assert_eq!(lone.due(), Some(lone.now + MAX_DEADLINE + LATE));
}

#[test]
fn the_header_carries_what_is_left_when_it_leaves() {
    let mut lone = Lone::calling();
    lone.try_call(0, vec![], lone.now + 10 * MOMENT).unwrap();
    lone.try_call(1, vec![], Time::NEVER).unwrap();
    lone.now = lone.now + 4 * MOMENT;
    let left: Vec<_> = lone.says().iter().map(|said| said.deadline).collect();
    assert_eq!(left[0], Some(6 * MOMENT));
    assert_eq!(left[1], Some(Time::NEVER.since(lone.now)));
}

#[test]
fn a_deadline_in_the_queue_says_not_sent_and_why() {
    let mut lone = Lone::calling();
    let keys: Vec<_> = (0..4).map(|token| lone.calls(token)).collect();
    lone.says();
    lone.machine.cancel(keys[0]);
    lone.try_call(4, vec![], lone.now + MOMENT).unwrap();
    match &lone.passes(MOMENT)[..] {
        [Told::Error(4, error)] => {
            assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent));
            assert!(error.to_string().contains("4 in flight, 1 of them cancelled"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lone.says_kinds(), [Kind::Cancel]);
}

#[test]
fn a_deadline_of_a_call_that_was_sent_says_unknown_and_cancels_it() {
    let mut lone = Lone::calling();
    lone.try_call(0, vec![], lone.now + MOMENT).unwrap();
    lone.says();
    match &lone.passes(MOMENT)[..] {
        [Told::Error(0, error)] => assert_eq!(error.fate(), Fate::Unknown),
        other => panic!("{other:?}"),
    }
    assert_eq!(lone.says_kinds(), [Kind::Cancel]);
    assert_eq!(lone.machine.outstanding(), 1, "credit returns with the verdict only");
    assert_eq!(lone.hears(&plain(Kind::Reply, 1 << 16, b"late")), []);
    assert_eq!(lone.machine.outstanding(), 0);
}

#[test]
fn a_handler_past_its_deadline_is_stopped_and_says_started() {
    let mut lone = Lone::serving();
    let Told::Request(key, _) = lone.hears(&due(MOMENT)).remove(0) else { panic!("a request") };
    lone.machine.begin(key);
    assert_eq!(lone.passes(MOMENT), [], "the caller's clock may be late");
    assert_eq!(lone.passes(LATE), [Told::Stop(key)]);
    assert_eq!(lone.machine.stage(key), Some(Stage::Expired));
    lone.machine.stopped(key);
    let error = decode_error(&lone.says()[0].payload).unwrap();
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::Started));
}

#[test]
fn a_peer_that_says_no_hello_is_given_up() {
    let mut lone = Lone::of(config(Role::Accepting));
    assert_eq!(lone.due(), Some(Time::default() + HANDSHAKE));
    assert_eq!(lone.passes(HANDSHAKE - MOMENT), []);
    assert_eq!(closed_by(&lone.passes(MOMENT)), Code::PeerGone(Gone::ReadStall));
}

#[test]
fn a_message_begun_must_go_on_even_when_no_frame_is_cut() {
    let mut lone = Lone::serving();
    let first = Head { flags: Flags::MORE, ..call_head(1) };
    lone.hears(&frame(first, Options::default(), b"half"));
    assert_eq!(lone.passes(FRAME_PROGRESS - MOMENT), []);
    assert_eq!(closed_by(&lone.passes(MOMENT)), Code::PeerGone(Gone::ReadStall));
}

#[test]
fn each_fragment_gives_a_message_new_time() {
    let mut lone = Lone::serving();
    let mut head = Head { flags: Flags::MORE, ..call_head(1) };
    for _ in 0..5 {
        lone.hears(&frame(head, Options::default(), b"part"));
        head.flags = Flags::MORE.with(Flags::CONTINUED);
        assert_eq!(lone.passes(FRAME_PROGRESS - MOMENT), []);
    }
    head.flags = Flags::CONTINUED;
    assert!(matches!(lone.hears(&frame(head, Options::default(), b"end"))[..], [Told::Request(..)]));
    assert_eq!(lone.passes(2 * FRAME_PROGRESS), []);
}

#[test]
fn a_full_wire_means_a_stalled_peer_only_if_it_always_reads() {
    let mut lone = Lone::calling();
    lone.machine.note_link(lone.now, true, false);
    assert_eq!(lone.passes(WRITE_STALL - MOMENT), []);
    lone.machine.note_sent(lone.now);
    assert_eq!(lone.passes(WRITE_STALL - MOMENT), []);
    assert_eq!(closed_by(&lone.passes(MOMENT)), Code::PeerGone(Gone::WriteStall));
}

#[test]
fn pings_go_only_where_they_are_needed_and_their_silence_is_the_end() {
    let mut lone = Lone::calling_with(Config { needs_ping: true, ..config(Role::Connecting) }, 4);
    assert_eq!(lone.passes(10 * PING_AFTER), [], "nothing is outstanding");
    lone.calls(0);
    lone.says();
    assert_eq!(lone.passes(PING_AFTER), []);
    assert_eq!(lone.says_kinds(), [Kind::Ping]);
    lone.hears(&plain(Kind::Pong, 0, &[]));
    assert_eq!(lone.passes(PING_AFTER), []);
    assert_eq!(lone.says_kinds(), [Kind::Ping]);
    assert_eq!(closed_by(&lone.passes(PING_TIMEOUT)), Code::PeerGone(Gone::PingTimeout));
}

#[test]
fn a_pulse_is_one_ping_at_a_time_and_silent_until_its_pong() {
    let mut lone = Lone::calling();
    let asked = lone.now;
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Beats);
    let said = lone.says();
    assert_eq!((said.len(), said[0].kind), (1, Kind::Ping));
    lone.passes(MOMENT);
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Silent(asked));
    lone.hears(&plain(Kind::Pong, said[0].call + 1, &[]));
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Silent(asked), "that was another's");
    assert_eq!(lone.says(), []);
    lone.hears(&plain(Kind::Pong, said[0].call, &[]));
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Beats);
    assert_eq!(lone.says_kinds(), [Kind::Ping]);
}

#[test]
fn who_need_not_answer_has_no_pulse() {
    let mut lone = Lone::of(config(Role::Connecting));
    lone.says();
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Unknown, "it has not said hello");
    let hello = Hello { attended_always: false, ..hello(4) };
    lone.hears(&plain(Kind::Hello, 0, &hello.encode()));
    assert_eq!(lone.machine.take_pulse(lone.now), Pulse::Unknown, "it reads only while somebody waits");
    assert_eq!(lone.says(), []);
}

#[test]
fn a_pulse_may_be_taken_for_ever() {
    let (mut caller, mut server) = (Lone::calling(), Lone::serving());
    for _ in 0..4 * IDLE_FRAMES {
        assert_eq!(caller.machine.take_pulse(caller.now), Pulse::Beats);
        server.hears(&plain(Kind::Ping, caller.says()[0].call, &[]));
        caller.hears(&plain(Kind::Pong, server.says()[0].call, &[]));
        caller.passes(POOL_PING);
        server.passes(POOL_PING);
    }
    assert!(POOL_PING * IDLE_FRAMES > IDLE_REFILL);
}

#[test]
fn an_opening_without_an_answer_ends_a_connection_that_expects_one() {
    let mut lone = Lone::calling();
    lone.machine.open("Other", [("call", 1)].into_iter()).unwrap();
    lone.machine.expect_answers(lone.now + HANDSHAKE);
    lone.says();
    assert_eq!(lone.passes(HANDSHAKE - MOMENT), []);
    assert_eq!(closed_by(&lone.passes(MOMENT)), Code::Unavailable);
}

#[test]
fn an_opening_with_an_answer_expects_no_more() {
    let mut lone = Lone::calling();
    lone.machine.expect_answers(lone.now + HANDSHAKE);
    assert_eq!(lone.passes(2 * HANDSHAKE), []);
}
