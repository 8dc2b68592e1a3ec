//! What a peer must not do, and the reason that it is told.

use farcall_core::limits::{MAX_METHODS, MAX_OBJECTS};
use farcall_core::proto::Role;
use farcall_core::wire::{Flags, Head, Hello, Kind, Options};
use farcall_core::{Error, Fate};

use super::lone::{
    Lone, MAX_MESSAGE, Said, call_head, cancelled_frame, config, error_frame, frame, hello, open_frame, plain,
};

fn internal() -> Error {
    Error::new(farcall_core::Code::Internal, Fate::Started, "broken")
}

#[test]
fn anything_but_a_hello_or_a_goodbye_comes_too_early() {
    for kind in [Kind::Call, Kind::Ping, Kind::Open, Kind::Skippable(200), Kind::Drain, Kind::Reply] {
        let mut lone = Lone::of(config(Role::Accepting));
        assert!(lone.refuses(&plain(kind, 1, &[])).contains("not a hello"), "{kind:?}");
    }
    let mut lone = Lone::of(config(Role::Accepting));
    lone.hears(&plain(Kind::Close, 0, &farcall_core::wire::encode_error(&internal())));
}

#[test]
fn a_second_hello_is_refused() {
    let mut lone = Lone::serving();
    assert!(lone.refuses(&plain(Kind::Hello, 0, &hello(4).encode())).contains("second hello"));
}

#[test]
fn a_hello_of_other_versions_or_with_another_codec_is_refused() {
    let newer = Hello { versions: (2, 9), ..hello(4) };
    let mut lone = Lone::of(config(Role::Accepting));
    assert!(lone.refuses(&plain(Kind::Hello, 0, &newer.encode())).contains("versions 2 to 9"));
    for (codec, words) in [("json", "json"), ("\u{1b}[2J\n", "\\u{1b}[2J\\n")] {
        let other = Hello { codec: codec.into(), ..hello(4) };
        let mut lone = Lone::of(config(Role::Connecting));
        assert!(lone.refuses(&plain(Kind::Hello, 0, &other.encode())).contains(words));
    }
}

#[test]
fn a_hello_of_ones_own_side_is_refused() {
    for (role, words) in [(Role::Connecting, "echoes what it is sent"), (Role::Accepting, "serves too")] {
        let own = Hello { role: Some(role), ..hello(4) };
        let mut lone = Lone::of(config(role));
        assert!(lone.refuses(&plain(Kind::Hello, 0, &own.encode())).contains(words));
    }
}

#[test]
fn a_hello_of_no_side_is_taken_for_the_others() {
    for role in [Role::Connecting, Role::Accepting] {
        let mut lone = Lone::of(config(role));
        lone.hears(&plain(Kind::Hello, 0, &hello(4).encode()));
        assert!(lone.machine.is_ready());
    }
}

#[test]
fn call_numbers_must_grow() {
    for id in [7, 6, 0] {
        let mut lone = Lone::serving();
        let key = lone.serves(7);
        lone.machine.reply(key, false, Vec::new());
        assert!(lone.refuses(&frame(call_head(id), Options::default(), b"")).contains("must grow"));
    }
}

#[test]
fn a_verdict_needs_a_call_that_waits_for_it() {
    let said = |lone: &mut Lone| {
        lone.calls(0);
        let [Said { call, .. }] = lone.says()[..] else { panic!("one call") };
        call
    };
    let verdicts: [fn(u64) -> Vec<u8>; 3] = [
        |call| plain(Kind::Reply, call, b"late"),
        |call| error_frame(call, &internal()),
        |call| cancelled_frame(call, Fate::Started),
    ];
    for verdict in verdicts {
        for second in verdicts {
            let mut lone = Lone::calling();
            let call = said(&mut lone);
            lone.hears(&verdict(call));
            assert!(lone.refuses(&second(call)).contains("waits for none"));
        }
        for stranger in [0, 1, 65_535, u64::MAX] {
            let mut lone = Lone::calling();
            let call = said(&mut lone);
            assert!(lone.refuses(&verdict(stranger)).contains("waits for none"));
            assert!(lone.refuses(&verdict(call + 1)).contains("waits for none"));
        }
    }
}

#[test]
fn a_verdict_before_the_last_fragment_has_left_is_refused() {
    let mut lone = Lone::calling();
    lone.try_call(0, vec![0; 150_000], farcall_core::Time::NEVER).unwrap();
    lone.machine.poll_transmit(lone.now).unwrap();
    let call = 1 << 16;
    assert!(lone.refuses(&plain(Kind::Reply, call, b"")).contains("waits for none"));
}

#[test]
fn a_message_above_the_announced_limit_is_refused_whole_and_in_fragments() {
    let large = vec![0; MAX_MESSAGE + 1];
    let mut lone = Lone::serving();
    assert!(lone.refuses(&frame(call_head(1), Options::default(), &large)).contains("200001 bytes"));
    let mut lone = Lone::serving();
    let first = Head { flags: Flags::MORE, ..call_head(1) };
    lone.hears(&frame(first, Options::default(), &large[1..]));
    let last = Head { flags: Flags::CONTINUED, ..call_head(1) };
    assert!(lone.refuses(&frame(last, Options::default(), b"1")).contains("200001 bytes"));
    let mut lone = Lone::calling();
    lone.calls(0);
    lone.says();
    assert!(lone.refuses(&plain(Kind::Reply, 1 << 16, &large)).contains("200001 bytes"));
}

#[test]
fn fragments_of_two_messages_of_a_lane_do_not_mix() {
    let more = |id| Head { flags: Flags::MORE, ..call_head(id) };
    let next = |id| Head { flags: Flags::CONTINUED, ..call_head(id) };
    let first = frame(more(5), Options::default(), b"half");
    for (wrong, rule) in [
        (frame(more(6), Options::default(), b"other"), "began before"),
        (frame(call_head(6), Options::default(), b"whole"), "began before"),
        (frame(next(6), Options::default(), b"other"), "continues no message"),
        (frame(next(4), Options::default(), b"other"), "continues no message"),
        (plain(Kind::Abort, 6, &[]), "had not begun"),
    ] {
        let mut lone = Lone::serving();
        lone.hears(&first);
        let said = lone.refuses(&wrong);
        assert!(said.contains(rule), "{said}");
    }
    let mut lone = Lone::serving();
    assert!(lone.refuses(&frame(next(1), Options::default(), b"")).contains("continues no message"));
}

#[test]
fn after_an_abort_the_message_is_over_and_others_come() {
    let mut lone = Lone::serving();
    let more = Head { flags: Flags::MORE, ..call_head(5) };
    lone.hears(&frame(more, Options::default(), b"half"));
    assert_eq!(lone.hears(&plain(Kind::Abort, 5, &[])), []);
    lone.serves(6);
    let next = Head { flags: Flags::CONTINUED, ..call_head(5) };
    assert!(lone.refuses(&frame(next, Options::default(), b"")).contains("continues no message"));
    assert!(Lone::serving().refuses(&plain(Kind::Abort, 1, &[])).contains("had not begun"));
}

#[test]
fn reserved_kinds_and_unknown_flags_are_refused_and_later_kinds_skipped() {
    for kind in [0, 15, 64, 127] {
        assert!(Lone::serving().refuses(&plain(Kind::Reserved(kind), 1, &[])).contains("reserved kind"));
    }
    assert!(Lone::serving().refuses(&plain(Kind::Done, 1, &[])).contains("one-way"));
    assert_eq!(Lone::serving().hears(&plain(Kind::Skippable(128), 1, &[])), []);
    let mut ping = plain(Kind::Ping, 1, &[]);
    ping[1] = 0x80;
    assert!(Lone::serving().refuses(&ping).contains("unknown flags 0x80"));
}

#[test]
fn a_call_that_asks_for_the_unknown_is_refused_alone() {
    let mut flagged = frame(call_head(1), Options::default(), b"args");
    flagged[1] = 0x80;
    let mut optioned = frame(call_head(1), Options::default(), &[3, 0, 0x90, 1, 0]);
    optioned[1] = 0x04;
    for call in [flagged, optioned] {
        let mut lone = Lone::serving();
        assert_eq!(lone.hears(&call), []);
        assert_eq!(lone.says_kinds(), [Kind::Error]);
        lone.serves(2);
    }
}

#[test]
fn services_are_opened_one_by_one_and_called_when_open() {
    assert!(Lone::serving().refuses(&open_frame(3)).contains("one by one"));
    assert!(Lone::serving().refuses(&open_frame(1)).contains("one by one"));
    let mut lone = Lone::serving();
    for object in 2..=u32::try_from(MAX_OBJECTS).unwrap() {
        lone.hears(&open_frame(object));
    }
    let above = u32::try_from(MAX_OBJECTS).unwrap() + 1;
    assert!(lone.refuses(&open_frame(above)).contains("services opened"));
    for object in [0, 2, u32::MAX] {
        let head = Head { object, ..Head::new(Kind::Call, 1) };
        assert!(Lone::serving().refuses(&frame(head, Options::default(), b"")).contains("never opened"));
    }
}

#[test]
fn an_answer_to_no_opening_is_refused() {
    let opened =
        farcall_core::wire::Opened { known: true, answers: vec![], text: String::new(), shapes: vec![] }
            .encode();
    for object in [0, 1, 2, u32::MAX] {
        let head = Head { object, ..Head::new(Kind::Opened, 0) };
        let said = Lone::calling().refuses(&frame(head, Options::default(), &opened));
        assert!(said.contains("no opening"), "{said}");
    }
}

#[test]
fn an_open_with_too_many_methods_is_refused() {
    let mut open = frame(Head { object: 2, ..Head::new(Kind::Open, 0) }, Options::default(), b"\x01S");
    open.extend_from_slice(&u16::try_from(MAX_METHODS + 1).unwrap().to_le_bytes());
    assert!(Lone::serving().refuses(&open).contains("more methods"));
}
