//! The slot of a call that has been given its verdict belongs to the next call, whose verdict may come in the same turn.

use std::time::Duration;

use farcall_core::Time;
use farcall_core::proto::{Machine, NewCall, Role};
use farcall_core::session::{Caller, Chores, Departure, Outcome, Session, Settled};
use farcall_core::testkit::config;
use farcall_core::wire::{Answer, Opened};

const NOW: Time = Time::from_nanos(1);

fn session(role: Role) -> Session {
    Session::new(Machine::new(config(role), NOW))
}

/// What is sent from here arrives there.
fn deliver(from: &Session, to: &Session, chores: &mut Chores) {
    while let Some(frame) = from.transmit(NOW) {
        let bytes = [frame.head.as_slice(), frame.body()].concat();
        to.receive(&bytes, NOW, chores).map_err(|broken| broken.0).expect("nobody breaks a rule");
    }
}

/// A call that was started, and is served with what it brought once the server is asked to.
fn start(session: &Session, argument: u8) -> u32 {
    let mut call = NewCall {
        token: 0,
        object: 1,
        method: 0,
        body: vec![argument],
        at: NOW,
        deadline: NOW + Duration::from_secs(1),
        cause: None,
        priority: 0,
    };
    let mut caller = Caller { waker: None, looks: false };
    let started = session.start(&mut call, &mut caller, Departure::WithOthers, || NOW, |_| false);
    started.expect("it can be started").token
}

fn serve(server: &Session) {
    let mut next = server.begin_dispatch();
    while let Some(request) = next {
        server.finish(request.key, Outcome::Value(request.body));
        next = server.next_request();
    }
}

#[test]
fn two_calls_in_one_slot_after_another_each_get_their_own_verdict() {
    let (client, server) = (session(Role::Connecting), session(Role::Accepting));
    client.open("Service", [("method", 0)].into_iter()).expect("a first service can be opened");
    deliver(&client, &server, &mut Chores::default());
    let opened =
        Opened { known: true, answers: vec![Answer::Served], text: String::new(), shapes: Vec::new() };
    server.answer_open(1, &opened);
    deliver(&server, &client, &mut Chores::default());

    let first = start(&client, 7);
    deliver(&client, &server, &mut Chores::default());
    serve(&server);
    let mut turn = Chores::of_caller(first);
    deliver(&server, &client, &mut turn);

    let second = start(&client, 8);
    assert_eq!(first, second, "the slot was free");
    deliver(&client, &server, &mut Chores::default());
    serve(&server);
    deliver(&server, &client, &mut turn);

    let values = [turn.take_settled(), client.try_take(second)].map(|settled| match settled {
        Some(Settled::Value(message)) => message.into_buffer(),
        other => panic!("{other:?} is no value"),
    });
    assert_eq!(values, [[7], [8]]);
}
