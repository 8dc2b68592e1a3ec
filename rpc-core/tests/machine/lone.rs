//! One machine, and the hand that writes its peer's frames.

use std::time::Duration;

use farcall_core::limits::MAX_HEAD;
use farcall_core::proto::{
    Config, Event, InKey, Machine, NewCall, OutKey, Payload, Role, Verdict, Violation,
};
use farcall_core::testkit;
use farcall_core::wire::{
    Answer, Flags, Head, Hello, Kind, Open, Opened, Options, VERSION, encode_cancelled, encode_error, parse,
};
use farcall_core::{Error, Fate, Time};

/// Bytes of the largest message that the machine under test takes.
pub(crate) const MAX_MESSAGE: usize = 200_000;

/// A frame that the machine has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) call: u64,
    pub(crate) deadline: Option<Duration>,
    pub(crate) payload: Vec<u8>,
}

/// What the machine told its session, as far as tests ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Request(InKey, Vec<u8>),
    Value(u32, Vec<u8>),
    Failed(u32, Vec<u8>),
    Error(u32, Error),
    Cancelled(u32, Fate),
    Stop(InKey),
    Closed(Error),
    Other,
}

/// The machine under test.
pub(crate) struct Lone {
    pub(crate) machine: Machine,
    pub(crate) now: Time,
}

pub(crate) fn config(role: Role) -> Config {
    Config { max_message: MAX_MESSAGE, ..testkit::config(role) }
}

/// A hello that either side may have said.
pub(crate) fn hello(window: u32) -> Hello {
    Hello {
        versions: (VERSION, VERSION),
        role: None,
        attended_always: true,
        max_message: MAX_MESSAGE as u64,
        window,
        codec: "bincode".into(),
    }
}

pub(crate) fn frame(head: Head, options: Options, payload: &[u8]) -> Vec<u8> {
    [head.encode(options).as_slice(), payload].concat()
}

pub(crate) fn plain(kind: Kind, call: u64, payload: &[u8]) -> Vec<u8> {
    frame(Head::new(kind, call), Options::default(), payload)
}

pub(crate) fn call_head(call: u64) -> Head {
    Head { object: 1, ..Head::new(Kind::Call, call) }
}

pub(crate) fn error_frame(call: u64, error: &Error) -> Vec<u8> {
    plain(Kind::Error, call, &encode_error(error))
}

pub(crate) fn cancelled_frame(call: u64, fate: Fate) -> Vec<u8> {
    plain(Kind::Cancelled, call, &encode_cancelled(fate))
}

impl Lone {
    pub(crate) fn of(config: Config) -> Self {
        Lone { machine: Machine::new(config, Time::default()), now: Time::default() }
    }

    /// A machine that calls: the peer has said hello with window 4 and serves service 1.
    pub(crate) fn calling() -> Self {
        Lone::calling_with(config(Role::Connecting), 4)
    }

    pub(crate) fn calling_with(config: Config, window: u32) -> Self {
        let mut lone = Lone::of(config);
        lone.hears(&plain(Kind::Hello, 0, &hello(window).encode()));
        lone.machine.open("Sim", [("call", 0)].into_iter()).unwrap();
        let opened =
            Opened { known: true, answers: vec![Answer::Served], text: String::new(), shapes: vec![] };
        let head = Head { object: 1, ..Head::new(Kind::Opened, 0) };
        lone.hears(&frame(head, Options::default(), &opened.encode()));
        lone.says();
        lone
    }

    /// A machine that is called: the peer has said hello and opened service 1.
    pub(crate) fn serving() -> Self {
        Lone::serving_with(config(Role::Accepting))
    }

    pub(crate) fn serving_with(config: Config) -> Self {
        let mut lone = Lone::of(config);
        lone.hears(&plain(Kind::Hello, 0, &hello(4).encode()));
        lone.hears(&open_frame(1));
        lone.says();
        lone
    }

    /// Handles a frame, a long one in two steps; everything that follows from it.
    pub(crate) fn try_hear(&mut self, frame: &[u8]) -> Result<Vec<Told>, Violation> {
        let (first, rest) = frame.split_at(frame.len().min(MAX_HEAD));
        let lent = if rest.is_empty() { None } else { self.machine.lend(first, rest.len()) };
        let event = match lent {
            Some(mut buf) => {
                buf.extend_from_slice(rest);
                self.machine.handle_long(first, rest.len(), buf, self.now)?
            }
            None => self.machine.handle_frame(frame, self.now)?,
        };
        let mut told: Vec<Told> = event.map(told).into_iter().collect();
        told.extend(self.events());
        Ok(told)
    }

    pub(crate) fn hears(&mut self, frame: &[u8]) -> Vec<Told> {
        self.try_hear(frame).unwrap()
    }

    /// The rule that a frame breaks.
    pub(crate) fn refuses(&mut self, frame: &[u8]) -> String {
        self.try_hear(frame).unwrap_err().0
    }

    pub(crate) fn events(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.machine.poll_event().map(told)).collect()
    }

    pub(crate) fn passes(&mut self, time: Duration) -> Vec<Told> {
        self.now = self.now + time;
        self.machine.handle_timeout(self.now);
        self.events()
    }

    /// What is due next, once nothing is due now.
    pub(crate) fn due(&mut self) -> Option<Time> {
        assert_eq!(self.passes(Duration::ZERO), []);
        self.machine.poll_timeout()
    }

    /// Everything that the machine wants to send.
    pub(crate) fn says(&mut self) -> Vec<Said> {
        let frames = std::iter::from_fn(|| self.machine.poll_transmit(self.now));
        let said = |frame: farcall_core::proto::Outgoing| {
            let parsed = parse(frame.head.as_slice()).unwrap();
            Said {
                kind: parsed.head.kind,
                flags: parsed.head.flags,
                call: parsed.head.call,
                deadline: parsed.options.deadline,
                payload: frame.body().to_vec(),
            }
        };
        frames.map(said).collect()
    }

    pub(crate) fn says_kinds(&mut self) -> Vec<Kind> {
        self.says().iter().map(|said| said.kind).collect()
    }

    pub(crate) fn try_call(&mut self, token: u32, body: Vec<u8>, deadline: Time) -> Result<OutKey, Error> {
        let mut call =
            NewCall { token, object: 1, method: 0, body, at: self.now, deadline, cause: None, priority: 0 };
        self.machine.call(&mut call)
    }

    pub(crate) fn calls(&mut self, token: u32) -> OutKey {
        self.try_call(token, b"args".to_vec(), Time::NEVER).unwrap()
    }

    /// A request arrives and its handler begins.
    pub(crate) fn serves(&mut self, id: u64) -> InKey {
        match &self.hears(&frame(call_head(id), Options::default(), b"args"))[..] {
            [Told::Request(key, _)] => {
                assert!(self.machine.begin(*key));
                *key
            }
            other => panic!("not a request: {other:?}"),
        }
    }
}

pub(crate) fn open_frame(object: u32) -> Vec<u8> {
    let head = Head { object, ..Head::new(Kind::Open, 0) };
    frame(head, Options::default(), &Open::encode("Sim", [("call", 0)].into_iter()))
}

fn told(event: Event<'_>) -> Told {
    let bytes = |payload: Payload<'_>| payload.into_message(Vec::with_capacity).into_buffer();
    match event {
        Event::Request { key, payload, .. } => Told::Request(key, bytes(payload)),
        Event::Verdict { token, verdict: Verdict::Value(payload) } => Told::Value(token, bytes(payload)),
        Event::Verdict { token, verdict: Verdict::Failed(payload) } => Told::Failed(token, bytes(payload)),
        Event::Verdict { token, verdict: Verdict::Error(error) } => Told::Error(token, error),
        Event::Verdict { token, verdict: Verdict::Cancelled(fate) } => Told::Cancelled(token, fate),
        Event::Stop(key) => Told::Stop(key),
        Event::Closed(error) => Told::Closed(error),
        Event::Ready | Event::Open { .. } | Event::Opened | Event::Draining => Told::Other,
    }
}
