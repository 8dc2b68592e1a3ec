//! One side of the recorded conversation: it does the same whoever speaks to it.

use std::time::Duration;

use farcall_core::limits::PING_AFTER;
use farcall_core::proto::{Config, Event, Handed, InKey, Machine, NewCall, OutKey, Role, WhenFull};
use farcall_core::testkit::ScriptedStream;
use farcall_core::transport::{Framed, Link, OutFrame, Received};
use farcall_core::wire::{Answer, Flags, Head, Kind, Opened, Options, parse};
use farcall_core::{Code, Error, Fate, Gone, Time};

/// What became of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) violation: Option<String>,
    pub(crate) requests: usize,
    pub(crate) calls: usize,
    pub(crate) verdicts: usize,
}

pub(crate) struct Actor {
    role: Role,
    machine: Machine,
    link: Framed<ScriptedStream>,
    now: Time,
    calls: Vec<OutKey>,
    /// Which calls have no verdict.
    open: Vec<bool>,
    pending: Vec<InKey>,
    ending: Ending,
}

const METHODS: [&str; 4] = ["value", "failed", "refused", "pending"];

impl Actor {
    pub(crate) fn new(role: Role, stream: ScriptedStream) -> Self {
        let config = Config {
            role,
            attended_always: true,
            max_message: 1 << 20,
            window: 16,
            when_full: WhenFull::Wait,
            codec: "bincode".into(),
            needs_ping: true,
        };
        let link = match role {
            Role::Connecting => Framed::connecting(stream),
            Role::Accepting => Framed::accepted(stream),
        };
        Actor {
            role,
            machine: Machine::new(config, Time::default()),
            link,
            now: Time::default(),
            calls: Vec::new(),
            open: Vec::new(),
            pending: Vec::new(),
            ending: Ending::default(),
        }
    }

    /// Receives what is there, serves it, sends.
    pub(crate) fn turn(&mut self) {
        self.now = self.now + Duration::from_millis(1);
        while self.ending.violation.is_none() {
            let event = match self.link.receive() {
                Ok(Received::Frame(frame)) => self.machine.handle_frame(frame, self.now),
                Ok(Received::WouldBlock | Received::Closed) => break,
                Err(fault) => {
                    self.ending.violation = Some(fault.to_string());
                    break;
                }
            };
            match event {
                Ok(event) => {
                    let event =
                        event.map(|event| note(&mut self.machine, &mut self.open, &mut self.ending, event));
                    self.serve(event.flatten());
                }
                Err(violation) => self.ending.violation = Some(violation.0),
            }
            self.absorb();
        }
        self.flush();
    }

    fn absorb(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            let asked = note(&mut self.machine, &mut self.open, &mut self.ending, event);
            assert!(asked.is_none(), "requests come with their frames");
        }
    }

    fn serve(&mut self, asked: Option<(InKey, u16)>) {
        let Some((key, method)) = asked else { return };
        assert!(self.machine.begin(key), "a fresh request waits");
        match method {
            0 => self.machine.reply(key, false, b"a value".to_vec()),
            1 => self.machine.reply(key, true, b"the service's error".to_vec()),
            2 => self.machine.refuse(key, &Error::new(Code::HandlerPanicked, Fate::Started, "it panicked")),
            _ => self.pending.push(key),
        }
    }

    pub(crate) fn flush(&mut self) {
        while let Some(frame) = self.machine.poll_transmit(self.now) {
            let parsed = parse(frame.head.as_slice()).expect("own frames are well formed");
            let cut = matches!((parsed.head.kind, parsed.head.method), (Kind::Call, 1) | (Kind::Reply, _));
            if cut && frame.body().len() > 8 {
                self.send_in_two(parsed.head, parsed.options, frame.body());
            } else {
                let _ = self.link.send(OutFrame { head: frame.head.as_slice(), body: frame.body() });
            }
        }
        let _ = self.link.flush();
    }

    fn call(&mut self, method: u16, size: usize, cause: Option<u64>) {
        let token = u32::try_from(self.calls.len()).expect("few calls");
        let deadline = self.now + Duration::from_secs(60);
        let mut call = NewCall {
            token,
            object: 1,
            method,
            body: vec![7; size],
            at: self.now,
            deadline,
            cause,
            priority: 0,
        };
        if let Ok(key) = self.machine.call(&mut call) {
            self.calls.push(key);
            self.open.push(true);
            self.ending.calls += 1;
        }
    }

    /// What this side does of its own accord.
    pub(crate) fn act(&mut self, step: usize) {
        match (step, self.role) {
            (0, _) if self.machine.is_ready() => {
                let _ = self.machine.open("Talk", METHODS.iter().map(|name| (*name, 7)));
            }
            (1, Role::Connecting) => {
                for method in 0..4 {
                    self.call(method, 24, None);
                }
            }
            (1, Role::Accepting) => self.call(0, 5, Some(1 << 16)),
            (2, Role::Connecting) => self.abort_one(),
            (3, Role::Connecting) if self.open.get(3) == Some(&true) => {
                self.open[3] = false;
                self.machine.cancel(self.calls[3]);
            }
            (4, Role::Accepting) => {
                for key in std::mem::take(&mut self.pending) {
                    self.machine.stopped(key);
                }
            }
            (4, Role::Connecting) => {
                self.call(3, 3, None);
                self.flush();
            }
            (5, Role::Connecting) => {
                self.now = self.now + PING_AFTER;
                self.machine.handle_timeout(self.now);
                self.absorb();
            }
            (6, Role::Accepting) => self.machine.drain(),
            (7, _) => {
                self.machine.close(&Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, "goodbye"));
                self.flush();
            }
            _ => {}
        }
    }

    /// A message in two small fragments: the machine's own are 64 KiB.
    fn send_in_two(&mut self, head: Head, options: Options, body: &[u8]) {
        let (front, rest) = body.split_at(8);
        let first = Head { flags: head.flags.with(Flags::MORE), ..head };
        let last = Head { flags: Flags::CONTINUED, ..head };
        for (head, options, body) in [(first, options, front), (last, Options::default(), rest)] {
            let _ = self.link.send(OutFrame { head: head.encode(options).as_slice(), body });
        }
    }

    /// A message begun and given up, between the calls of the machine.
    fn abort_one(&mut self) {
        let call = (4 << 16) + 100;
        let first = Head { flags: Flags::MORE, object: 1, ..Head::new(Kind::Call, call) };
        for (head, body) in [(first, &b"lost"[..]), (Head::new(Kind::Abort, call), b"")] {
            let _ = self.link.send(OutFrame { head: head.encode(Options::default()).as_slice(), body });
        }
        let _ = self.link.flush();
    }

    /// The link is lost: everything ends.
    pub(crate) fn end(mut self) -> Ending {
        self.machine.handle_link_lost(
            &Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, "gone"),
            Handed::accepted(0),
        );
        self.absorb();
        assert_eq!(self.machine.outstanding(), 0);
        assert!(!self.open.contains(&true), "a call without a verdict: {:?}", self.open);
        self.ending
    }
}

/// Notes an event; a request is to be served.
fn note(
    machine: &mut Machine,
    open: &mut [bool],
    ending: &mut Ending,
    event: Event<'_>,
) -> Option<(InKey, u16)> {
    match event {
        Event::Verdict { token, .. } => {
            let open = &mut open[token as usize];
            assert!(std::mem::take(open), "a second verdict for call {token}");
            ending.verdicts += 1;
        }
        Event::Open { object, open } => {
            let answers = open.methods.iter().map(|_| Answer::Served).collect();
            machine.answer_open(object, &Opened { known: true, answers, text: open.service, shapes: vec![] });
        }
        Event::Request { key, method, .. } => {
            ending.requests += 1;
            return Some((key, method));
        }
        Event::Ready | Event::Opened | Event::Stop(_) | Event::Draining | Event::Closed(_) => {}
    }
    None
}

/// The kinds of the frames on a tape.
pub(crate) fn kinds(tape: &[u8]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut rest = &tape[8..];
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*size) as usize);
        kinds.push(parse(frame).unwrap().head.kind);
        rest = after;
    }
    kinds
}
