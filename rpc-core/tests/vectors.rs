//! The golden vectors of `WIRE.md`: what this crate writes is what the page says, byte for byte.

use std::time::Duration;

use farcall_core::__private::{PlainSeed, Shapes, StrSeed};
use farcall_core::codec::{self, Codec};
use farcall_core::proto::{Config, Machine, Role, WhenFull};
use farcall_core::wire::mailbox::ledger::Entry;
use farcall_core::wire::mailbox::{Arguments, Letter, News, Outcome, Slip};
use farcall_core::wire::rendezvous::{Answer as Granted, Grant, MemoryKind, Request, Wish};
use farcall_core::wire::{
    Answer, Flags, Head, Hello, Kind, Open, Opened, Options, ShapeThere, encode_cancelled, encode_error,
    parse,
};
use farcall_core::{Code, Error, Fate, Time, Trust};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../WIRE.md");

/// The bytes that the page gives under this name.
fn vector(name: &str) -> Vec<u8> {
    let line = PAGE
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= "))
        .unwrap_or_else(|| panic!("WIRE.md has no vector `{name}`"));
    let byte = |pair: &str| u8::from_str_radix(pair, 16).expect("the page writes bytes in hexadecimal");
    line.split_whitespace().map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn agrees(name: &str, bytes: &[u8]) {
    assert_eq!(hex(bytes), hex(&vector(name)), "vector `{name}`");
}

fn frame(head: Head, options: Options, payload: &[u8]) -> Vec<u8> {
    [head.encode(options).as_slice(), payload].concat()
}

fn plain(kind: Kind, call: u64, payload: &[u8]) -> Vec<u8> {
    frame(Head::new(kind, call), Options::default(), payload)
}

fn value(value: impl Serialize) -> Vec<u8> {
    let mut buf = Vec::new();
    codec::encode(Codec::Bincode, &value, &mut buf).expect("it can be written");
    buf
}

#[test]
fn hello_is_as_the_page_says() {
    for (name, role) in [("hello", Role::Connecting), ("hello-answer", Role::Accepting)] {
        let hello = Hello {
            versions: (1, 1),
            role: Some(role),
            attended_always: true,
            max_message: 16 << 20,
            window: 256,
            codec: "bincode".into(),
        };
        agrees(name, &plain(Kind::Hello, 0, &hello.encode()));
        let bytes = vector(name);
        assert_eq!(Hello::decode(parse(&bytes).unwrap().payload), Ok(hello));
    }
}

#[test]
fn opening_is_as_the_page_says() {
    let open = Open::encode("Calculator", [("add", 0), ("negate", 0)].into_iter());
    let of_object = |kind| Head { object: 1, ..Head::new(kind, 0) };
    agrees("open", &frame(of_object(Kind::Open), Options::default(), &open));
    let opened = Opened {
        known: true,
        answers: vec![Answer::Served, Answer::Unknown],
        text: "no".into(),
        shapes: vec![],
    };
    agrees("opened", &frame(of_object(Kind::Opened), Options::default(), &opened.encode()));
    let opened = Opened {
        known: true,
        answers: vec![Answer::Served, Answer::Differs],
        text: String::new(),
        shapes: vec!["(u8)->()".into()],
    };
    agrees("opened-differs", &frame(of_object(Kind::Opened), Options::default(), &opened.encode()));
}

#[test]
fn calls_and_verdicts_are_as_the_page_says() {
    let arguments = value((2_i64, 3_i64));
    let head = Head { object: 1, ..Head::new(Kind::Call, 0x1_0000) };
    let options = Options { deadline: Some(Duration::from_millis(250)), ..Options::default() };
    agrees("call", &frame(head, options, &arguments));
    let options = Options { cause: Some(0x2_0001), ..options };
    agrees("call-caused", &frame(head, options, &arguments));
    agrees("reply", &plain(Kind::Reply, 0x1_0000, &[10]));
    let failed = Head { flags: Flags::FAILED, ..Head::new(Kind::Reply, 0x1_0000) };
    agrees("reply-failed", &frame(failed, Options::default(), &[0]));
    let error = Error::new(Code::Overloaded, Fate::NotExecuted, "busy");
    agrees("error", &plain(Kind::Error, 0x1_0000, &encode_error(&error)));
    let error =
        Error::new(Code::SchemaMismatch, Fate::NotExecuted, "no").with_source(ShapeThere("()->()".into()));
    agrees("error-shape", &plain(Kind::Error, 0x1_0000, &encode_error(&error)));
    agrees("cancel", &plain(Kind::Cancel, 0x1_0000, &[]));
    agrees("cancelled", &plain(Kind::Cancelled, 0x1_0000, &encode_cancelled(Fate::Started)));
    agrees("abort", &plain(Kind::Abort, 0x1_0000, &[]));
}

#[test]
fn the_connections_own_frames_are_as_the_page_says() {
    agrees("ping", &plain(Kind::Ping, 7, &[]));
    agrees("pong", &plain(Kind::Pong, 7, &[]));
    agrees("drain", &plain(Kind::Drain, 0x1_0000, &[]));
    let error = Error::new(Code::Draining, Fate::Unknown, "bye");
    agrees("close", &plain(Kind::Close, 0x1_0000, &encode_error(&error)));
}

#[test]
fn the_connecting_side_speaks_first_and_says_this() {
    let config = Config {
        role: Role::Connecting,
        attended_always: true,
        max_message: 16 << 20,
        window: 256,
        when_full: WhenFull::Wait,
        codec: "bincode".into(),
        needs_ping: false,
    };
    let mut machine = Machine::new(config, Time::default());
    let frames = std::iter::from_fn(|| machine.poll_transmit(Time::default()));
    let said: Vec<u8> = frames.flat_map(|frame| [frame.head.as_slice(), frame.body()].concat()).collect();
    agrees("hello", &said);
}

#[test]
fn the_rendezvous_is_as_the_page_says() {
    let nonce = std::array::from_fn(|at| at as u8);
    let request = Request {
        wish: Wish::MemoryOrStream,
        trust: Trust::SameUser,
        memory: None,
        max_depth: 0,
        max_ring: 256 << 10,
        nonce,
    };
    agrees("request", &request.encode());
    let segment = Request { wish: Wish::Memory, memory: Some(MemoryKind::SystemV), ..request };
    agrees("request-segment", &segment.encode());
    let queues = Request { wish: Wish::Queues, max_depth: 8, max_ring: 1024, ..request };
    agrees("request-queues", &queues.encode());
    let grant = |answer, trust, reason: &str| Grant { answer, trust, nonce, reason: reason.into() }.encode();
    let keys = [0x1122_3344_5566_7788, 1];
    let memory = |kind, segment| Granted::Memory { kind, segment, ring: 128 << 10, keys };
    agrees("grant-memory", &grant(memory(MemoryKind::Memfd, 0), Trust::SameUser, ""));
    agrees("grant-segment", &grant(memory(MemoryKind::SystemV, 32_768), Trust::SameUser, ""));
    let queues = Granted::Queues { message: 1024, depth: 8, keys };
    agrees("grant-queues", &grant(queues, Trust::Hostile, ""));
    agrees("grant-stream", &grant(Granted::Stream, Trust::Hostile, "no"));
    let refused = Granted::Refused(Code::ResourceExhausted);
    agrees("grant-refused", &grant(refused, Trust::SameUser, "full"));
}

#[test]
fn letters_slips_and_entries_are_as_the_page_says() {
    let id = std::array::from_fn(|at| at as u8);
    let letter = |arguments| {
        let (codec, service, method) = ("bincode", "Calculator", "add");
        let (call, deadline, fingerprint) = (0x1_0000, 1_000_000_000, 0);
        Letter { reply_to: id, call, deadline, fingerprint, codec, service, method, arguments }.encode()
    };
    agrees("letter", &letter(Arguments::Here(&[4, 6])));
    agrees("letter-file", &letter(Arguments::File([0xab; 16], 1 << 20)));
    let slip = |news| Slip { taker: id, call: 0x1_0000, news }.encode();
    agrees("slip-taken", &slip(News::Taken));
    let verdict = |kind, failed, result| slip(News::Verdict { kind, failed, result });
    agrees("slip-reply", &verdict(Kind::Reply, false, Outcome::Here(&[10])));
    agrees("slip-failed", &verdict(Kind::Reply, true, Outcome::Here(&[0])));
    agrees("slip-memory", &verdict(Kind::Reply, false, Outcome::Memory(1 << 20)));
    agrees("ledger-entry", &Entry { caller: id, call: 0x1_0000 }.encode());
}

#[derive(Serialize)]
struct Point {
    x: i32,
    y: Option<u64>,
}

#[derive(Serialize)]
enum Shape {
    Empty,
    Named(String),
}

#[derive(Deserialize)]
struct Place {
    _x: i32,
    _y: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its shape matters")]
enum Any {
    Number(u8),
}

#[test]
fn shapes_are_as_the_page_says() {
    let shapes = Shapes::trace(&[
        |add| {
            let add = add.argument("a", PlainSeed::<i64>::new()).argument("b", PlainSeed::<i64>::new());
            add.value(PlainSeed::<i64>::new())
        },
        |find| {
            let find = find.argument("name", StrSeed).argument("near", PlainSeed::<[f64; 2]>::new());
            find.result(PlainSeed::<Vec<Place>>::new(), PlainSeed::<String>::new())
        },
        |guess| guess.argument("it", PlainSeed::<Any>::new()).value(PlainSeed::<()>::new()),
    ]);
    let texts =
        ["(i64,i64)->i64", "(string,(f64*2))->[Place{_x:i32,_y:u64?}]!string", "(opaque(any%20;value))->()"];
    for (at, text) in texts.into_iter().enumerate() {
        assert_eq!(shapes.text(at, 100), text);
    }
    for (at, name) in ["shape-add", "shape-find", "shape-guess"].into_iter().enumerate() {
        agrees(name, &shapes.fingerprint(at).to_le_bytes());
    }
}

#[test]
fn values_are_written_as_the_page_says() {
    agrees("value-u64-250", &value(250_u64));
    agrees("value-u64-251", &value(251_u64));
    agrees("value-i64-minus-1", &value(-1_i64));
    agrees("value-text", &value("héj"));
    agrees("value-bytes", &value(vec![1_u8, 2, 255]));
    agrees("value-f64", &value(1.5_f64));
    agrees("value-struct", &value(Point { x: -2, y: Some(300) }));
    agrees("value-enum", &value([Shape::Empty, Shape::Named("a".into())]));
}
