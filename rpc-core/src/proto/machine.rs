//! The machine itself: what it knows, the wishes it takes, and the frames it gives.

use std::collections::VecDeque;

use crate::buffers;
use crate::error::{Code, Error, Fate};
use crate::limits::{HANDSHAKE, MAX_FRAGMENT, PING_AFTER};
use crate::proto::assembly::Lane;
use crate::proto::calls_in::CallsIn;
use crate::proto::calls_out::CallsOut;
use crate::proto::liveness::{Circumstances, Liveness};
use crate::proto::openings::Opening;
use crate::proto::outbox::Outbox;
use crate::proto::{Event, InKey, Left, NewCall, OutKey, Outgoing, Stage};
use crate::time::Time;
use crate::wire::{Answer, Flags, Head, Hello, Kind, VERSION, encode_cancelled, encode_error};

/// Which side opened the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It speaks first and chooses the codec.
    Connecting,
    /// It answers.
    Accepting,
}

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
    handed_out: u64,
    /// The last frame handed out was no call's.
    calls_next: bool,
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
            replies_lane: Lane::default(),
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

    /// Starts a call.
    ///
    /// # Errors
    /// What is known to be refused is refused here, `NotSent`: size, an unknown method, draining, no credit.
    /// The arguments' buffer comes back with the error.
    pub fn call(&mut self, call: NewCall) -> Result<OutKey, (Error, NewCall)> {
        match self.check_call(&call) {
            Some(error) => Err((error, call)),
            None => {
                self.hasten(call.latest());
                Ok(self.calls_out.add(call))
            }
        }
    }

    /// The same for a call that is to be handed out at once, if nothing is in front of it; otherwise it waits like others.
    ///
    /// # Errors
    /// As [`call`](Machine::call).
    pub fn call_now(
        &mut self,
        call: NewCall,
        now: Time,
    ) -> Result<(OutKey, Option<Outgoing>), (Error, NewCall)> {
        let is_clear = |peer: &PeerLimits| {
            call.body.len() <= self.calls_out.fragment()
                && self.outbox.is_empty()
                && self.calls_out.is_clear(peer.window)
        };
        if !self.peer.as_ref().is_some_and(is_clear) {
            return self.call(call).map(|key| (key, None));
        }
        if let Some(error) = self.check_call(&call) {
            return Err((error, call));
        }
        self.hasten(call.latest());
        self.expect_answer(now);
        self.handed_out = self.handed_out.saturating_add(1);
        let (key, frame) = self.calls_out.add_and_pop(call, now, self.handed_out);
        Ok((key, Some(frame)))
    }

    /// A call is about to be handed out.
    fn expect_answer(&mut self, now: Time) {
        if self.calls_out.in_flight() == 0 {
            self.liveness.expects(now);
            if self.config.needs_ping {
                self.hasten(now + PING_AFTER);
            }
        }
    }

    fn check_call(&self, call: &NewCall) -> Option<Error> {
        let refuse = |code, text: String| Some(Error::new(code, Fate::NotSent, text));
        let Some(peer) = &self.peer else {
            return refuse(Code::Unavailable, "the peer has not said hello".into());
        };
        if self.peer_drains || self.draining || self.closing {
            return refuse(Code::Draining, "the connection takes no new calls: it is shutting down".into());
        }
        let size = call.body.len();
        if size > peer.max_message {
            let text = format!(
                "the arguments take {size} bytes, the peer's limit is {} (max_message)",
                peer.max_message
            );
            return refuse(Code::TooLarge, text);
        }
        if self.config.when_full == WhenFull::Fail && self.outstanding() >= peer.window as usize {
            return refuse(Code::Overloaded, self.in_flight_text());
        }
        let opened = self.opened(call.object)?;
        if !opened.known {
            return refuse(Code::UnknownService, opened.text.clone());
        }
        match opened.answers.get(usize::from(call.method))? {
            Answer::Served => None,
            Answer::Unknown => refuse(Code::UnknownMethod, opened.text.clone()),
            Answer::Differs => refuse(Code::SchemaMismatch, opened.text.clone()),
        }
    }

    pub(super) fn in_flight_text(&self) -> String {
        let in_flight = self.calls_out.in_flight();
        format!("{in_flight} in flight, {} of them cancelled and still running", self.calls_out.left_behind())
    }

    /// The caller leaves a call that has no verdict: whatever comes is for nobody.
    pub fn cancel(&mut self, key: OutKey) -> Left {
        let left = self.calls_out.leave(key);
        match left {
            Left::NotSent => {}
            Left::Abort(id) => self.outbox.push_control(Head::new(Kind::Abort, id), Vec::new()),
            Left::Cancel(id) => self.outbox.push_control(Head::new(Kind::Cancel, id), Vec::new()),
        }
        left
    }

    /// The caller leaves a call that goes on without it.
    ///
    /// # Errors
    /// `Overloaded`, `NotSent` if too many bytes of such calls wait for credit; the call is then removed.
    pub fn detach(&mut self, key: OutKey) -> Result<(), Error> {
        self.calls_out.detach(key)
    }

    /// The number of a call that has been sent at least in part.
    pub fn number(&self, key: OutKey) -> Option<u64> {
        self.calls_out.number(key)
    }

    /// A waiting request is about to be dispatched; `false` if it no longer stands.
    pub fn begin(&mut self, key: InKey) -> bool {
        let waiting = self.calls_in.stage(key) == Some(Stage::Waiting);
        if waiting {
            self.calls_in.set_stage(key, Stage::Running);
        }
        waiting
    }

    /// A request that was about to be dispatched waits again, until another [`begin`](Machine::begin); `false` if it no
    /// longer stands.
    pub fn postpone(&mut self, key: InKey) -> bool {
        let running = self.calls_in.stage(key) == Some(Stage::Running);
        if running {
            self.calls_in.set_stage(key, Stage::Waiting);
        }
        running
    }

    /// How far a call to be served has come; `None` after its verdict.
    pub fn stage(&self, key: InKey) -> Option<Stage> {
        self.calls_in.stage(key)
    }

    /// The handler returned: its value, or (`failed`) the service's own error. A verdict already given stands.
    pub fn reply(&mut self, key: InKey, failed: bool, payload: Vec<u8>) {
        if let Some(flags) = self.may_reply(key, failed, payload.len()) {
            self.outbox.push_verdict(Kind::Reply, flags, key.id(), payload);
        }
    }

    /// The same for a value in two parts, of which the second is not copied if it is large.
    pub fn reply_bytes(&mut self, key: InKey, failed: bool, mut front: Vec<u8>, bytes: Vec<u8>) {
        let size = front.len().saturating_add(bytes.len());
        if size <= self.calls_out.fragment() {
            buffers::append(&mut front, &bytes);
            buffers::give(bytes);
            return self.reply(key, failed, front);
        }
        if let Some(flags) = self.may_reply(key, failed, size) {
            self.outbox.push_bytes(flags, key.id(), front, bytes);
        }
    }

    /// The flags of the verdict; `None` if there is one already, or it is too large, which is then the verdict.
    fn may_reply(&mut self, key: InKey, failed: bool, size: usize) -> Option<Flags> {
        self.calls_in.remove(key)?;
        let limit = self.peer.as_ref().map_or(0, |peer| peer.max_message);
        if size > limit {
            let text = format!("the result takes {size} bytes, the caller's limit is {limit} (max_message)");
            let error = Error::new(Code::TooLarge, Fate::Completed, text);
            self.outbox.push_verdict(Kind::Error, Flags::NONE, key.id(), encode_error(&error));
            return None;
        }
        Some(if failed { Flags::FAILED } else { Flags::NONE })
    }

    /// The same for a verdict that is to be handed out at once, if nothing is in front of it; otherwise it waits like others.
    pub fn reply_now(&mut self, key: InKey, failed: bool, payload: Vec<u8>) -> Option<Outgoing> {
        let limit = self.peer.as_ref().map_or(0, |peer| peer.max_message);
        if !self.outbox.is_open_and_empty() || payload.len() > limit.min(self.calls_out.fragment()) {
            self.reply(key, failed, payload);
            return None;
        }
        self.calls_in.remove(key)?;
        self.handed_out = self.handed_out.saturating_add(1);
        self.calls_next = true;
        let flags = if failed { Flags::FAILED } else { Flags::NONE };
        Some(Outgoing::control(Head { flags, ..Head::new(Kind::Reply, key.id()) }, payload))
    }

    /// The call ended without a value. A verdict already given stands.
    pub fn refuse(&mut self, key: InKey, error: &Error) {
        if self.calls_in.remove(key).is_some() {
            self.outbox.push_verdict(Kind::Error, Flags::NONE, key.id(), encode_error(error));
        }
    }

    /// The handler was dropped before its end, as [`Event::Stop`] or a shutdown asked.
    pub fn stopped(&mut self, key: InKey) {
        let Some(stage) = self.calls_in.remove(key) else { return };
        let (kind, payload) = match stage {
            Stage::Cancelled => (Kind::Cancelled, encode_cancelled(Fate::Started)),
            Stage::Expired => {
                let error = Error::new(
                    Code::DeadlineExceeded,
                    Fate::Started,
                    "the deadline passed while the handler ran",
                );
                (Kind::Error, encode_error(&error))
            }
            Stage::Waiting | Stage::Running => {
                let error =
                    Error::new(Code::Draining, Fate::Started, "the server shut down while the handler ran");
                (Kind::Error, encode_error(&error))
            }
        };
        self.outbox.push_verdict(kind, Flags::NONE, key.id(), payload);
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

    /// Events that did not come with a frame: ask until `None` after each `handle_*`.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        self.events.pop_front()
    }
}
