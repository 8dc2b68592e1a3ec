//! The machine itself: what it knows, the wishes it takes, and the frames it gives.

use std::collections::VecDeque;

use crate::limits::{HANDSHAKE, MAX_FRAGMENT};
use crate::proto::assembly::Lane;
use crate::proto::calls_in::CallsIn;
use crate::proto::calls_out::CallsOut;
use crate::proto::liveness::{Circumstances, Liveness};
use crate::proto::openings::Opening;
use crate::proto::outbox::Outbox;
use crate::proto::{Event, Outgoing};
use crate::time::Time;
use crate::wire::{Head, Hello, Kind, Role, VERSION};

/// What a call does when there is no credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits until its deadline.
    #[default]
    Wait,
    /// It fails at once.
    Fail,
}

/// How a machine is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which side this is.
    pub role: Role,
    /// Whether somebody always reads on this side.
    pub attended_always: bool,
    /// Largest message taken, in bytes.
    pub max_message: usize,
    /// Calls taken without a verdict.
    pub window: u32,
    /// What a call does without credit.
    pub when_full: WhenFull,
    /// The codec's name.
    pub codec: String,
    /// Whether only pings can tell that the peer is gone.
    pub needs_ping: bool,
}

/// What the peer has announced.
#[derive(Clone, Debug)]
pub(super) struct PeerLimits {
    pub(super) max_message: usize,
    pub(super) window: u32,
    pub(super) attended_always: bool,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) peer: Option<PeerLimits>,
    pub(super) outbox: Outbox,
    pub(super) calls_out: CallsOut,
    pub(super) calls_in: CallsIn,
    pub(super) calls_lane: Lane,
    pub(super) replies_lane: Lane,
    pub(super) openings: Vec<Opening>,
    /// When the peer must have answered them all.
    pub(super) answers_by: Option<Time>,
    pub(super) opened_by_peer: u32,
    pub(super) liveness: Liveness,
    pub(super) events: VecDeque<Event<'static>>,
    /// The last call that the peer says it takes.
    pub(super) peer_last: u64,
    pub(super) peer_drains: bool,
    pub(super) draining: bool,
    pub(super) closing: bool,
    /// Nothing is due before this; recomputed when it has come.
    pub(super) due: Time,
    /// What arrives is this side's own link's word: it knows what was sent.
    pub(super) first_hand: bool,
    pub(super) handed_out: u64,
    /// The last frame handed out was no call's.
    pub(super) calls_next: bool,
}

impl Machine {
    /// A machine at the beginning of a link. The connecting side has its hello ready.
    pub fn new(config: Config, now: Time) -> Self {
        let liveness = Liveness::new(now, config.window);
        let mut machine = Machine {
            config,
            peer: None,
            outbox: Outbox::default(),
            calls_out: CallsOut::default(),
            calls_in: CallsIn::default(),
            calls_lane: Lane::default(),
            replies_lane: Lane::apart(),
            openings: Vec::new(),
            answers_by: None,
            opened_by_peer: 0,
            liveness,
            events: VecDeque::new(),
            peer_last: u64::MAX,
            peer_drains: false,
            draining: false,
            closing: false,
            due: now + HANDSHAKE,
            first_hand: false,
            handed_out: 0,
            calls_next: false,
        };
        if machine.config.role == Role::Connecting {
            machine.say_hello();
        }
        machine
    }

    pub(super) fn say_hello(&mut self) {
        let hello = Hello {
            versions: (VERSION, VERSION),
            role: Some(self.config.role),
            attended_always: self.config.attended_always,
            max_message: self.config.max_message as u64,
            window: self.config.window,
            codec: self.config.codec.clone(),
        };
        self.outbox.push_control(Head::new(Kind::Hello, 0), hello.encode());
    }

    /// Cuts messages into fragments of at most so many bytes, where [`MAX_FRAGMENT`] are more than the wire carries well.
    pub fn cut_at(&mut self, fragment: usize) {
        let fragment = fragment.clamp(1, MAX_FRAGMENT);
        self.outbox.cut_at(fragment);
        self.calls_out.cut_at(fragment);
    }

    /// The frames that come are made by this side's own link, which speaks for whoever takes the calls: when it says that a
    /// call was not sent, it was not.
    pub fn believe_link(&mut self) {
        self.first_hand = true;
    }

    /// The codec that both sides use; the connecting side's choice.
    pub fn codec(&self) -> &str {
        &self.config.codec
    }

    /// Whether the peer has said hello.
    pub fn is_ready(&self) -> bool {
        self.peer.is_some()
    }

    /// Nothing but a goodbye may go before the hello.
    pub(super) fn has_said_hello(&self) -> bool {
        self.config.role == Role::Connecting || self.peer.is_some()
    }

    /// Calls made from here that have no verdict, and those that wait for credit.
    pub fn outstanding(&self) -> usize {
        self.calls_out.in_flight().saturating_add(self.calls_out.queued())
    }

    /// Calls made from here that have not been handed out.
    pub fn queued(&self) -> usize {
        self.calls_out.queued()
    }

    /// Whether calls wait until the peer takes more.
    pub fn is_short_of_credit(&self) -> bool {
        self.queued() > 0 && self.peer.as_ref().is_some_and(|it| !self.calls_out.wants_to_send(it.window))
    }

    /// Whether a detached call has no verdict yet.
    pub fn has_detached(&self) -> bool {
        self.calls_out.has_detached()
    }

    /// Calls of the peer that have no verdict.
    pub fn serving(&self) -> usize {
        self.calls_in.len()
    }

    /// Bytes of verdicts and other answers that wait to be sent, with something for each frame.
    pub fn answer_bytes(&self) -> usize {
        self.outbox.answer_bytes()
    }

    /// Whether there is nothing to send now.
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && !self.wants_to_call()
    }

    fn wants_to_call(&self) -> bool {
        !self.closing && self.peer.as_ref().is_some_and(|peer| self.calls_out.wants_to_send(peer.window))
    }

    /// The next frame to be sent; `None`: there is nothing now.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Outgoing> {
        // Verdicts and calls take turns, so that neither starves the other.
        let calls_first = std::mem::take(&mut self.calls_next) && self.outbox.control_len() == 0;
        let frame = match calls_first.then(|| self.next_call(now)).flatten() {
            Some(call) => call,
            None => {
                let other = self.outbox.pop_control().or_else(|| self.outbox.pop_verdict());
                self.calls_next = other.is_some();
                other.or_else(|| self.next_call(now))?
            }
        };
        self.handed_out = self.handed_out.saturating_add(1);
        Some(frame)
    }

    fn next_call(&mut self, now: Time) -> Option<Outgoing> {
        if self.closing || self.outbox.control_len() > 0 {
            return None;
        }
        let window = self.peer.as_ref()?.window;
        if self.calls_out.queued() > 0 {
            self.expect_answer(now);
        }
        self.calls_out.pop(now, window, self.handed_out.saturating_add(1))
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        let attended = self.peer.as_ref().is_some_and(|peer| peer.attended_always);
        Circumstances {
            pings: attended && self.config.needs_ping && self.calls_out.in_flight() > 0,
            attended,
        }
    }

    /// Whether there are events that did not come with a frame.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Events that did not come with a frame: ask until `None` after each `handle_*`.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.events.pop_front()
    }
}
