//! The state machine of either role under any frames, wishes and times.

#![no_main]

use std::collections::HashMap;
use std::time::Duration;

use farcall_core::limits::{MAX_FRAGMENT, MAX_HEAD};
use farcall_core::proto::{
    Config, Event, Handed, InKey, Machine, NewCall, OutKey, Payload, Role, Stage, Verdict, WhenFull,
};
use farcall_core::wire::{Answer, Hello, Open, Opened};
use farcall_core::{Code, Error, Fate, Gone, Time};

/// Takes choices off the front of the input.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    fn bytes(&mut self) -> &'a [u8] {
        let size = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(size);
        self.0 = rest;
        bytes
    }
}

struct Story {
    machine: Machine,
    now: Time,
    window: usize,
    /// Calls without a verdict whose callers wait; by token.
    pending: HashMap<u32, OutKey>,
    next_token: u32,
    /// Numbers of calls that were sent.
    sent: Vec<u64>,
    requests: Vec<InKey>,
    running: Vec<InKey>,
    over: bool,
}

fn error() -> Error {
    Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, "the end")
}

/// Joins a message that has come in parts.
fn whole(payload: Payload<'_>) {
    let message = payload.into_message(Vec::with_capacity);
    let size = message.len();
    assert_eq!(message.into_buffer().len(), size, "nothing is lost or added");
}

impl Story {
    fn absorb(&mut self, event: Event<'_>) {
        match event {
            Event::Verdict { token, verdict } => {
                assert!(self.pending.remove(&token).is_some(), "a verdict for nobody");
                if let Verdict::Value(payload) | Verdict::Failed(payload) = verdict {
                    whole(payload);
                }
            }
            Event::Request { key, payload, .. } => {
                whole(payload);
                self.requests.push(key);
            }
            Event::Open { object, open } => {
                let answers = open.methods.iter().map(|_| Answer::Served).collect();
                self.machine.answer_open(object, &Opened { known: true, answers, text: open.service, shapes: vec![] });
            }
            Event::Stop(_) | Event::Ready | Event::Opened | Event::Draining => {}
            Event::Closed(_) => self.lose(),
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            self.absorb(event);
        }
    }

    fn hear(&mut self, frame: &[u8]) {
        // A long frame in two steps, as some links give it.
        let (first, rest) = frame.split_at(frame.len().min(MAX_HEAD));
        let lent = if rest.is_empty() { None } else { self.machine.lend(first, rest.len()) };
        // Events borrow from the frame only, but the machine is busy meanwhile: take what is needed.
        let handled = match lent {
            Some(mut buf) => {
                buf.extend_from_slice(rest);
                self.machine.handle_long(first, rest.len(), buf, self.now)
            }
            None => self.machine.handle_frame(frame, self.now),
        };
        match handled {
            Ok(Some(event)) => self.absorb(event),
            Ok(None) => {}
            Err(violation) => {
                assert!(!violation.0.is_empty(), "a violation has a reason");
                self.machine.close(&error());
                self.transmit();
                self.lose();
            }
        }
        self.events();
        assert!(self.machine.serving() <= self.window, "more calls than the window");
    }

    fn lose(&mut self) {
        self.over = true;
        self.machine.handle_link_lost(&error(), Handed::accepted(3));
        while let Some(event) = self.machine.poll_event() {
            if let Event::Verdict { token, .. } = event {
                assert!(self.pending.remove(&token).is_some(), "a verdict for nobody");
            }
        }
        assert_eq!(self.machine.outstanding(), 0);
        assert!(self.pending.is_empty(), "callers wait although the link is gone");
    }

    fn transmit(&mut self) {
        while let Some(frame) = self.machine.poll_transmit(self.now) {
            assert!(frame.body().len() <= MAX_FRAGMENT, "a fragment is too large");
            let head = frame.head.as_slice();
            if head[0] == 4 {
                self.sent.push(u64::from_le_bytes(*head[8..].first_chunk().expect("sixteen bytes")));
            }
        }
    }

    /// A frame whose header makes sense more often than chance would have it.
    fn structured(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let (kind, flags) = (choices.byte(), choices.byte());
        let number = usize::from(choices.byte());
        let call = match self.sent.len() {
            0 => number as u64,
            known if number < 128 => self.sent[number % known],
            _ => (number - 128) as u64,
        };
        let mut frame = vec![kind % 20, flags & 0x17, 0, 0, choices.byte() % 3, 0, 0, 0];
        frame.extend_from_slice(&call.to_le_bytes());
        if flags & 0x80 != 0 {
            frame.resize(frame.len() + 300 * usize::from(choices.byte()), 0xAA);
        }
        frame.extend_from_slice(choices.bytes());
        frame
    }

    fn wish(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 14 {
            0 => self.call(choices),
            1 | 2 => {
                let token = u32::from(choices.byte());
                if let Some(key) = self.pending.remove(&token) {
                    if token % 3 == 0 { drop(self.machine.detach(key)) } else { drop(self.machine.cancel(key)) }
                }
            }
            3 | 4 => {
                if let Some(key) = self.requests.pop()
                    && self.machine.begin(key)
                {
                    self.running.push(key);
                }
            }
            5 | 6 => {
                let size = usize::from(choices.byte()) * 1_000;
                if let Some(key) = self.running.pop() {
                    match size % 3 {
                        0 => self.machine.reply_bytes(key, size % 2 == 0, vec![1; size / 1_000], vec![1; size]),
                        _ => self.machine.reply(key, size % 2 == 0, vec![1; size]),
                    }
                }
            }
            7 => {
                if let Some(key) = self.running.pop() {
                    self.machine.refuse(key, &error());
                }
            }
            8 => {
                if let Some(key) = self.running.pop() {
                    self.machine.stopped(key);
                }
            }
            9 => self.transmit(),
            10 => drop(self.machine.open("S", [("m", 1), ("n", 2)].into_iter())),
            11 => self.machine.stop_running(),
            12 => self.machine.note_link(self.now, choices.byte() & 1 == 0, choices.byte() & 1 == 0),
            _ => self.machine.drain(),
        }
        self.events();
    }

    fn call(&mut self, choices: &mut Choices<'_>) {
        let token = self.next_token;
        let size = choices.byte();
        let body = vec![0; if size > 240 { 70_000 } else { usize::from(size) }];
        let deadline = match choices.byte() {
            255 => Time::NEVER,
            left => self.now + Duration::from_millis(left.into()),
        };
        let mut call = NewCall { token, object: 1, method: 0, body, at: self.now, deadline, cause: None, priority: 0 };
        if let Ok(key) = self.machine.call(&mut call) {
            self.pending.insert(token, key);
            self.next_token += 1;
        }
    }

    fn time(&mut self, choices: &mut Choices<'_>) {
        let nanos = 1_u64.checked_shl(u32::from(choices.byte() % 66)).unwrap_or(u64::MAX);
        self.now = self.now + Duration::from_nanos(nanos);
        if self.machine.poll_timeout().is_some_and(|due| due <= self.now) {
            self.machine.handle_timeout(self.now);
            self.events();
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let setup = choices.byte();
    let role = if setup & 1 == 0 { Role::Connecting } else { Role::Accepting };
    let window = u32::from(setup >> 4) + 1;
    let config = Config {
        role,
        attended_always: true,
        max_message: 150_000,
        window,
        when_full: if setup & 2 == 0 { WhenFull::Wait } else { WhenFull::Fail },
        codec: "bincode".into(),
        needs_ping: setup & 4 != 0,
    };
    let mut story = Story {
        machine: Machine::new(config, Time::default()),
        now: Time::default(),
        window: window as usize,
        pending: HashMap::new(),
        next_token: 0,
        sent: Vec::new(),
        requests: Vec::new(),
        running: Vec::new(),
        over: false,
    };
    if setup & 8 == 0 {
        greet(&mut story);
    }
    while !story.over && !choices.0.is_empty() {
        match choices.byte() % 8 {
            0 => story.hear(choices.bytes()),
            1..4 => {
                let frame = story.structured(&mut choices);
                story.hear(&frame);
            }
            4 => story.time(&mut choices),
            _ => story.wish(&mut choices),
        }
    }
    story.lose();
    for key in story.running {
        let stage = story.machine.stage(key);
        assert!(!matches!(stage, Some(Stage::Waiting | Stage::Running)), "a handler runs on");
        story.machine.stopped(key);
    }
});

/// An honest beginning, so that what follows gets further.
fn greet(story: &mut Story) {
    let hello = Hello {
        versions: (1, 1),
        role: None,
        attended_always: true,
        max_message: 150_000,
        window: 3,
        codec: "bincode".into(),
    };
    let frame = |kind: u8, object: u8, payload: Vec<u8>| {
        let mut frame = vec![kind, 0, 0, 0, object, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&payload);
        frame
    };
    story.hear(&frame(1, 0, hello.encode()));
    story.hear(&frame(2, 1, Open::encode("S", [("m", 0)].into_iter())));
    story.machine.open("S", [("m", 0)].into_iter()).expect("the first service");
    story.transmit();
}
