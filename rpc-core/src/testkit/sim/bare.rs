//! An end that is a state machine and a link, turned as the driver turns a session.

use std::collections::{BTreeMap, VecDeque};

use super::end::{Asked, End, Ended, Start};
use crate::error::{Code, Error, Fate, Gone};
use crate::limits::{SEND_BUDGET, TURN_FRAMES};
use crate::proto::{Config, Event, Handed, InKey, Left, Machine, NewCall, OutKey, Outgoing, Stage, Verdict};
use crate::session::Outcome;
use crate::testkit::ScriptedStream;
use crate::time::Time;
use crate::transport::{Framed, Link, OutFrame, Received, Sent};
use crate::wire::{Answer, Open, Opened};

pub(super) struct Bare {
    machine: Machine,
    link: Option<Framed<ScriptedStream>>,
    /// The frame that found no room.
    frame: Option<Outgoing>,
    was_blocked: bool,
    was_partial: bool,
    /// Calls without a verdict whose callers stay: the machine's token is the place in `tags`.
    pending: BTreeMap<u64, OutKey>,
    tags: Vec<u64>,
    requests: VecDeque<Asked>,
    outcomes: Vec<(u64, Ended)>,
    over: Option<Error>,
    closed: Option<Error>,
}

pub(super) fn gone(text: &str) -> Error {
    Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, text)
}

impl Bare {
    fn absorb(&mut self, event: Event<'_>) {
        match event {
            Event::Ready => {
                self.machine.open("Sim", [("call", 0)].into_iter()).expect("one service");
            }
            Event::Open { object, open: Open { methods, .. } } => {
                let answers = methods.iter().map(|_| Answer::Served).collect();
                self.machine.answer_open(
                    object,
                    &Opened { known: true, answers, text: String::new(), shapes: Vec::new() },
                );
            }
            Event::Verdict { token, verdict } => {
                let tag = self.tags[token as usize];
                let copy = |payload: crate::proto::Payload<'_>| {
                    payload.into_message(Vec::with_capacity).into_buffer()
                };
                let ended = match verdict {
                    Verdict::Value(payload) => Ended::Value(copy(payload)),
                    Verdict::Failed(payload) => Ended::Failed(copy(payload)),
                    Verdict::Error(error) => Ended::Error(error),
                    Verdict::Cancelled(fate) => Ended::Error(Error::new(Code::Cancelled, fate, "cancelled")),
                };
                assert!(self.pending.remove(&tag).is_some(), "call {tag}: a verdict for nobody: {ended:?}");
                self.outcomes.push((tag, ended));
            }
            Event::Request { key, payload, .. } => {
                self.requests
                    .push_back(Asked { key, body: payload.into_message(Vec::with_capacity).into_buffer() });
            }
            Event::Stop(_) | Event::Draining => {}
            Event::Opened => {}
            Event::Closed(error) => self.closed = Some(error),
        }
    }

    fn absorb_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            self.absorb(event);
        }
    }

    /// `Some`: why the link has ended.
    fn receive(&mut self, now: Time, most: usize) -> Option<Error> {
        let mut link = self.link.take()?;
        let mut end = None;
        for _ in 0..most {
            match link.receive() {
                Ok(Received::Frame(frame)) => match self.machine.handle_frame(frame, now) {
                    Ok(event) => {
                        if let Some(event) = event {
                            self.absorb(event);
                        }
                        self.absorb_events();
                    }
                    Err(violation) => panic!("an honest peer broke a rule: {}", violation.0),
                },
                Ok(Received::WouldBlock) => break,
                Ok(Received::Closed) => end = Some(gone("closed")),
                Err(fault) => end = Some(gone(&fault.to_string())),
            }
            if end.is_some() {
                break;
            }
        }
        let partial = link.is_mid_frame();
        if partial || self.was_partial {
            self.was_partial = partial;
            self.machine.note_link(now, self.was_blocked, partial);
        }
        self.link = Some(link);
        end
    }

    fn send(&mut self, now: Time) -> Option<Error> {
        if self.machine.poll_timeout().is_some_and(|due| due <= now) {
            self.machine.handle_timeout(now);
            self.absorb_events();
        }
        let link = self.link.as_mut()?;
        let before = link.accepted();
        let mut blocked = false;
        while !blocked {
            let next = self.frame.take().or_else(|| self.machine.poll_transmit(now));
            let Some(frame) = next else { break };
            match link.send(OutFrame { head: frame.head.as_slice(), body: frame.body() }) {
                Ok(Sent::Taken) => {}
                Ok(Sent::WouldBlock) => {
                    blocked = true;
                    self.frame = Some(frame);
                }
                Err(fault) => return Some(gone(&fault.to_string())),
            }
        }
        match link.flush() {
            Ok(sent) => blocked |= sent == Sent::WouldBlock,
            Err(fault) => return Some(gone(&fault.to_string())),
        }
        if blocked || self.was_blocked {
            self.machine.note_link(now, blocked, self.was_partial);
            if link.accepted() > before {
                self.machine.note_sent(now);
            }
        }
        self.was_blocked = blocked;
        (!blocked && self.machine.is_flushed() && self.machine.is_closing()).then(|| gone("said goodbye"))
    }

    fn lose(&mut self, error: Error) {
        let accepted = self.link.as_ref().map_or(0, |link| link.accepted());
        self.machine.handle_link_lost(&error, Handed::accepted(accepted));
        self.absorb_events();
        self.requests.clear();
        self.frame = None;
        self.link = None;
        self.over = Some(error);
    }
}

impl End for Bare {
    fn new(config: Config, link: Framed<ScriptedStream>) -> Self {
        Bare {
            machine: Machine::new(config, Time::default()),
            link: Some(link),
            frame: None,
            was_blocked: false,
            was_partial: false,
            pending: BTreeMap::new(),
            tags: Vec::new(),
            requests: VecDeque::new(),
            outcomes: Vec::new(),
            over: None,
            closed: None,
        }
    }

    fn turn(&mut self, now: Time) {
        if self.over.is_some() {
            return;
        }
        let paused = self.machine.answer_bytes() > SEND_BUDGET;
        let received = if paused { None } else { self.receive(now, TURN_FRAMES) };
        let sent = self.send(now);
        let end = match (received, sent) {
            (Some(error), _) => Some(error),
            (None, Some(error)) => Some(self.receive(now, usize::MAX).unwrap_or(error)),
            (None, None) => self.closed.take(),
        };
        if let Some(error) = end {
            self.lose(error);
        }
    }

    fn start(&mut self, start: Start) -> Result<(), Error> {
        if let Some(error) = &self.over {
            return Err(error.with_fate(Fate::NotSent));
        }
        let Start { tag, body, at, deadline, cause } = start;
        let token = u32::try_from(self.tags.len()).expect("few calls");
        let mut call = NewCall { token, object: 1, method: 0, body, at, deadline, cause, priority: 0 };
        let key = self.machine.call(&mut call)?;
        self.tags.push(tag);
        self.pending.insert(tag, key);
        Ok(())
    }

    fn cancel(&mut self, tag: u64) -> Option<Fate> {
        let key = self.pending.remove(&tag)?;
        let begun = self.machine.number(key).is_some();
        let left = self.machine.cancel(key);
        assert_eq!(left != Left::NotSent, begun, "call {tag}: cancelled while queued is not sent");
        Some(left.fate())
    }

    fn detach(&mut self, tag: u64) -> Result<(), Error> {
        match self.pending.remove(&tag) {
            Some(key) => self.machine.detach(key),
            None => Ok(()),
        }
    }

    fn outcomes(&mut self) -> Vec<(u64, Ended)> {
        std::mem::take(&mut self.outcomes)
    }

    fn next_request(&mut self) -> Option<Asked> {
        loop {
            let asked = self.requests.pop_front()?;
            if self.machine.begin(asked.key) {
                return Some(asked);
            }
        }
    }

    fn stage(&self, key: InKey) -> Option<Stage> {
        self.machine.stage(key)
    }

    fn finish(&mut self, key: InKey, outcome: Outcome) {
        match outcome {
            Outcome::Value(body) => self.machine.reply(key, false, body),
            Outcome::Failed(body) => self.machine.reply(key, true, body),
            Outcome::Bytes { failed, front, bytes } => self.machine.reply_bytes(key, failed, front, bytes),
            Outcome::Refused(error) => self.machine.refuse(key, &error),
            Outcome::Stopped => self.machine.stopped(key),
        }
    }

    fn drain(&mut self) {
        self.machine.drain();
    }

    fn close(&mut self) {
        self.machine.close(&gone("the other side closed"));
    }

    fn over(&self) -> Option<Error> {
        self.over.clone()
    }

    fn outstanding(&self) -> Option<usize> {
        Some(self.machine.outstanding())
    }

    fn serving(&self) -> usize {
        self.machine.serving()
    }

    fn is_flushed(&self) -> bool {
        self.machine.is_flushed() && self.frame.is_none()
    }
}
