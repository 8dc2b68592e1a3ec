//! Draining, closing, and a link that is lost.

use farcall_core::proto::{Handed, Role};
use farcall_core::wire::{Kind, Options, decode_error, encode_error};
use farcall_core::{Code, Error, Fate, Gone, Time};

use super::lone::{Lone, Told, call_head, config, error_frame, frame, hello, plain};

fn lost() -> Error {
    Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, "gone")
}

fn fates(told: &[Told]) -> Vec<(u32, Fate)> {
    let fate = |told: &Told| match told {
        Told::Error(token, error) => (*token, error.fate()),
        other => panic!("not an error: {other:?}"),
    };
    told.iter().map(fate).collect()
}

#[test]
fn a_drain_before_the_hello_is_said_after_it() {
    let mut lone = Lone::of(config(Role::Accepting));
    lone.machine.drain();
    assert_eq!(lone.says_kinds(), []);
    lone.hears(&plain(Kind::Hello, 0, &hello(4).encode()));
    assert_eq!(lone.says_kinds(), [Kind::Hello, Kind::Drain]);
}

#[test]
fn a_draining_side_refuses_new_calls_and_ends_running_ones() {
    let mut lone = Lone::serving();
    let running = lone.serves(1);
    lone.machine.drain();
    lone.machine.drain();
    let said = lone.says();
    assert_eq!((said.len(), said[0].kind, said[0].call), (1, Kind::Drain, 1));
    assert_eq!(lone.hears(&frame(call_head(2), Options::default(), b"")), []);
    let error = decode_error(&lone.says()[0].payload).unwrap();
    assert_eq!((error.code(), error.fate()), (Code::Draining, Fate::NotExecuted));
    lone.machine.reply(running, false, vec![]);
    assert_eq!(lone.says_kinds(), [Kind::Reply]);
}

#[test]
fn a_call_that_crosses_a_drain_gets_its_refusal_and_nothing_breaks() {
    let mut lone = Lone::calling();
    for token in 0..5 {
        lone.calls(token);
    }
    let said = lone.says();
    assert_eq!(
        fates(&lone.hears(&plain(Kind::Drain, said[1].call, &[]))[1..]),
        [(2, Fate::NotExecuted), (3, Fate::NotExecuted), (4, Fate::NotSent)]
    );
    assert_eq!(lone.machine.outstanding(), 4, "credit returns with the verdict only");
    let refusal = Error::new(Code::Draining, Fate::NotExecuted, "shutting down");
    assert_eq!(lone.hears(&error_frame(said[2].call, &refusal)), []);
    assert_eq!(lone.hears(&plain(Kind::Reply, said[0].call, b"v")), [Told::Value(0, b"v".to_vec())]);
    let error = lone.try_call(9, vec![], Time::NEVER).unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Draining, Fate::NotSent));
    lone.machine.handle_link_lost(&lost(), Handed::accepted(100));
    assert_eq!(fates(&lone.events()), [(1, Fate::Unknown)]);
}

#[test]
fn a_lost_link_tells_each_call_what_is_known_of_it() {
    let mut lone = Lone::calling();
    for token in 0..3 {
        lone.calls(token);
    }
    // Hello and the opening went first.
    assert_eq!(lone.says().len(), 3);
    lone.try_call(3, vec![0; 150_000], Time::NEVER).unwrap();
    lone.calls(4);
    lone.machine.poll_transmit(lone.now).unwrap();
    lone.machine.handle_link_lost(&lost(), Handed::accepted(4));
    assert_eq!(
        fates(&lone.events()),
        [(0, Fate::Unknown), (1, Fate::Unknown), (2, Fate::NotSent), (3, Fate::NotSent), (4, Fate::NotSent)]
    );
    assert_eq!(lone.machine.outstanding(), 0);
    lone.machine.handle_link_lost(&lost(), Handed::accepted(4));
    assert_eq!(lone.events(), []);
    assert!(lone.try_call(5, vec![], Time::NEVER).is_err());
}

#[test]
fn what_a_dead_peer_has_not_taken_was_not_executed() {
    let mut lone = Lone::calling();
    for token in 0..2 {
        lone.calls(token);
    }
    // Hello and the opening went first; of a message in fragments the last one counts.
    assert_eq!(lone.says().len(), 2);
    lone.try_call(2, vec![0; 150_000], Time::NEVER).unwrap();
    lone.calls(3);
    assert_eq!(lone.says().len(), 4);
    lone.machine.handle_link_lost(&lost(), Handed { accepted: 7, taken: Some(6) });
    assert_eq!(
        fates(&lone.events()),
        [(0, Fate::Unknown), (1, Fate::Unknown), (2, Fate::NotExecuted), (3, Fate::NotSent)]
    );
}

#[test]
fn a_lost_link_stops_running_handlers_and_forgets_waiting_requests() {
    let mut lone = Lone::serving();
    let running = lone.serves(1);
    let call = frame(call_head(2), Options::default(), b"");
    let Told::Request(waiting, _) = lone.hears(&call).remove(0) else { panic!("a request") };
    lone.machine.handle_link_lost(&lost(), Handed::accepted(0));
    assert_eq!(lone.events(), [Told::Stop(running), Told::Stop(waiting)]);
    assert!(!lone.machine.begin(waiting));
    lone.machine.stopped(running);
    assert_eq!(lone.machine.serving(), 0);
}

#[test]
fn a_goodbye_names_the_last_call_that_was_taken() {
    let mut lone = Lone::calling();
    for token in 0..2 {
        lone.calls(token);
    }
    let said = lone.says();
    let why = Error::new(Code::ProtocolViolation, Fate::Unknown, "a rule");
    let told = lone.hears(&plain(Kind::Close, said[0].call, &encode_error(&why)));
    assert!(matches!(&told[..], [Told::Closed(error)] if error.code() == Code::ProtocolViolation));
    lone.machine.handle_link_lost(&lost(), Handed::accepted(100));
    assert_eq!(fates(&lone.events()), [(0, Fate::Unknown), (1, Fate::NotExecuted)]);
}

#[test]
fn nothing_follows_a_goodbye() {
    let mut lone = Lone::serving();
    let (first, second) = (lone.serves(1), lone.serves(2));
    lone.machine.reply(first, false, vec![0; 150_000]);
    lone.machine.close(&lost());
    lone.machine.reply(second, false, vec![]);
    lone.hears(&plain(Kind::Ping, 1, &[]));
    lone.hears(&frame(call_head(3), Options::default(), b""));
    let kinds = lone.says_kinds();
    assert_eq!(kinds.last(), Some(&Kind::Close), "{kinds:?}");
    assert_eq!(lone.says_kinds(), []);
}

#[test]
fn a_shutdown_that_is_over_ends_every_handler_with_what_is_true() {
    let mut lone = Lone::serving();
    let running = lone.serves(1);
    let call = frame(call_head(2), Options::default(), b"");
    let Told::Request(waiting, _) = lone.hears(&call).remove(0) else { panic!("a request") };
    lone.machine.stop_running();
    assert_eq!(lone.events(), [Told::Stop(running), Told::Stop(waiting)]);
    let told: Vec<_> =
        lone.says().iter().map(|said| (said.call, decode_error(&said.payload).unwrap().fate())).collect();
    assert_eq!(told, [(1, Fate::Started), (2, Fate::NotExecuted)]);
    assert_eq!(lone.machine.serving(), 0);
}
