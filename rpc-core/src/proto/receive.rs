//! Input: one frame at a time.

use crate::error::{Code, Error, Fate, Gone};
use crate::limits::{CLOCK_TICK, MAX_DEADLINE, MAX_OBJECTS};
use crate::proto::assembly::{Gathered, Part};
use crate::proto::calls_out::Scope;
use crate::proto::machine::PeerLimits;
use crate::proto::{Event, Handed, Machine, Payload, Role, Stage, Verdict, Violation};
use crate::time::Time;
use crate::wire::{
    Flags, Head, Hello, Kind, Open, Opened, Options, Parsed, VERSION, decode_cancelled, decode_error,
    encode_cancelled, encode_error, parse,
};

impl Machine {
    /// Handles one frame.
    ///
    /// # Errors
    /// A [`Violation`] ends the connection; say so with [`close`](Machine::close).
    #[inline(always)]
    pub fn handle_frame<'a>(&mut self, frame: &'a [u8], now: Time) -> Result<Option<Event<'a>>, Violation> {
        let Parsed { head, options, payload } = self.open_frame(frame, now)?;
        match head.kind {
            Kind::Call => self.handle_call(head, options, Part::InFrame(payload), now),
            Kind::Reply => self.handle_reply(head, Part::InFrame(payload)),
            _ => self.handle_other(head, payload),
        }
    }

    /// Lends the buffer to which the end of this frame, `rest` bytes, is to be appended, before
    /// [`handle_long`](Machine::handle_long). `None`: it is to be handled whole.
    pub fn lend(&mut self, first: &[u8], rest: usize) -> Option<Vec<u8>> {
        let Parsed { head, payload, .. } = parse(first).ok()?;
        let limit = self.config.max_message;
        match head.kind {
            Kind::Call => self.calls_lane.lend(head, payload, rest, limit),
            Kind::Reply => self.replies_lane.lend(head, payload, rest, limit),
            _ => None,
        }
    }

    /// Handles a frame whose payload is at the end of the buffer that was [lent](Machine::lend) for it. `first` is what it
    /// begins with, `rest` how many bytes were appended.
    ///
    /// # Errors
    /// As [`handle_frame`](Machine::handle_frame).
    pub fn handle_long(
        &mut self,
        first: &[u8],
        rest: usize,
        buf: Vec<u8>,
        now: Time,
    ) -> Result<Option<Event<'static>>, Violation> {
        let Parsed { head, options, payload } = self.open_frame(first, now)?;
        let part = Part::Placed(buf, payload.len().saturating_add(rest));
        match head.kind {
            Kind::Call => self.handle_call(head, options, part, now),
            Kind::Reply => self.handle_reply(head, part),
            _ => Err("a frame of its kind is not as long as that".into()),
        }
    }

    /// Takes the frame's header off, if it may come now.
    #[inline(always)]
    fn open_frame<'a>(&mut self, frame: &'a [u8], now: Time) -> Result<Parsed<'a>, Violation> {
        self.liveness.heard(now);
        let parsed = parse(frame)?;
        let head = parsed.head;
        if self.peer.is_none() && !matches!(head.kind, Kind::Hello | Kind::Close) {
            return Err("the first frame is not a hello".into());
        }
        if head.flags.unknown() != 0 && head.kind != Kind::Call && !matches!(head.kind, Kind::Skippable(_)) {
            return Err(Violation(format!("unknown flags {:#04x}", head.flags.unknown())));
        }
        Ok(parsed)
    }

    fn handle_other(&mut self, head: Head, payload: &[u8]) -> Result<Option<Event<'static>>, Violation> {
        match head.kind {
            Kind::Error => {
                let error = decode_error(payload)?;
                let error = if self.first_hand { known_first_hand(error, payload) } else { error };
                self.handle_verdict(head.call, Verdict::Error(error))
            }
            Kind::Cancelled => self.handle_verdict(head.call, Verdict::Cancelled(decode_cancelled(payload)?)),
            Kind::Cancel => self.handle_cancel(head.call),
            Kind::Hello => self.handle_hello(&Hello::decode(payload)?),
            Kind::Open => self.handle_open(head.object, payload),
            Kind::Opened => self.handle_opened(head.object, payload),
            Kind::Abort => self.handle_abort(head.call),
            Kind::Ping => self.handle_ping(head.call),
            Kind::Pong => self.handle_pong(head.call).map(|()| None),
            Kind::Drain => Ok(self.handle_drain(head.call)),
            Kind::Close => Ok(self.handle_close(head.call, decode_error(payload)?)),
            Kind::Done => Err("an end of one-way calls, and none were made".into()),
            Kind::Reserved(kind) => Err(Violation(format!("a frame of the reserved kind {kind}"))),
            Kind::Call | Kind::Reply | Kind::Skippable(_) => self.liveness.idle().map(|()| None),
        }
    }

    fn handle_hello(&mut self, hello: &Hello) -> Result<Option<Event<'static>>, Violation> {
        if self.peer.is_some() {
            return Err("a second hello".into());
        }
        let (low, high) = hello.versions;
        if low > VERSION || high < VERSION {
            return Err(Violation(format!(
                "the peer speaks versions {low} to {high}, this side version {VERSION}"
            )));
        }
        if hello.role == Some(self.config.role) {
            return Err(match self.config.role {
                Role::Connecting => {
                    "the other side connects too, or echoes what it is sent; it does not serve farcall"
                }
                Role::Accepting => "the other side serves too; one of the two has to connect",
            }
            .into());
        }
        match self.config.role {
            Role::Accepting => {
                self.config.codec.clone_from(&hello.codec);
                self.say_hello();
                if self.draining {
                    self.say_drain();
                }
            }
            Role::Connecting if self.config.codec == hello.codec => {}
            Role::Connecting => {
                return Err(Violation(format!(
                    "the peer answered with the codec {}, not {}",
                    hello.codec.escape_debug(),
                    self.config.codec
                )));
            }
        }
        self.liveness.greeted();
        self.peer = Some(PeerLimits {
            max_message: usize::try_from(hello.max_message).unwrap_or(usize::MAX),
            window: hello.window.min(crate::limits::MAX_WINDOW),
            attended_always: hello.attended_always,
        });
        Ok(Some(Event::Ready))
    }

    fn handle_open(&mut self, object: u32, payload: &[u8]) -> Result<Option<Event<'static>>, Violation> {
        if self.opened_by_peer.checked_add(1) != Some(object) {
            return Err("services are numbered one by one from 1".into());
        }
        if self.opened_by_peer as usize >= MAX_OBJECTS {
            return Err(Violation(format!("more than {MAX_OBJECTS} services opened")));
        }
        self.opened_by_peer = object;
        Ok(Some(Event::Open { object, open: Open::decode(payload)? }))
    }

    fn handle_opened(&mut self, object: u32, payload: &[u8]) -> Result<Option<Event<'static>>, Violation> {
        let opened = Opened::decode(payload)?;
        let at = (object as usize).checked_sub(1);
        match at.and_then(|at| self.openings.get_mut(at)) {
            Some(opening) if opening.opened.is_none() => opening.opened = Some(opened),
            _ => return Err("an answer to no opening".into()),
        }
        self.note_answer();
        Ok(Some(Event::Opened))
    }

    #[inline(always)]
    fn handle_call<'a>(
        &mut self,
        head: Head,
        options: Options,
        part: Part<'a>,
        now: Time,
    ) -> Result<Option<Event<'a>>, Violation> {
        if !head.flags.has(Flags::CONTINUED) {
            if !self.calls_in.number(head.call) {
                return Err(Violation(format!("call numbers must grow, {} came again or late", head.call)));
            }
            if !self.calls_lane.is_empty() {
                return Err("a call began before the fragments of the last one had ended".into());
            }
        }
        if part.is_empty() && head.flags.has(Flags::MORE) {
            self.liveness.idle()?;
        } else {
            self.liveness.useful();
        }
        if !head.flags.has(Flags::MORE) && !head.flags.has(Flags::CONTINUED) {
            if part.len() > self.config.max_message {
                return Err(self.above_limit(part.len()));
            }
            return self.take_call(&head, &options, part.into_payload(), now);
        }
        self.gather_call(head, options, part, now)
    }

    /// A fragment of a call.
    #[inline(never)]
    fn gather_call<'a>(
        &mut self,
        head: Head,
        options: Options,
        part: Part<'_>,
        now: Time,
    ) -> Result<Option<Event<'a>>, Violation> {
        let gathered = self.calls_lane.add(head, options, part, self.config.max_message)?;
        self.note_gathering();
        match gathered {
            Some(Gathered { head, options, message }) => {
                self.take_call(&head, &options, Payload::Owned(message), now)
            }
            None => Ok(None),
        }
    }

    /// A message has begun to arrive, gone on, or come to its end.
    fn note_gathering(&mut self) {
        if let Some(by) = self.liveness.gathers(!self.calls_lane.is_empty() || !self.replies_lane.is_empty())
        {
            self.hasten(by);
        }
    }

    fn above_limit(&self, size: usize) -> Violation {
        Violation(format!("a message of {size} bytes, the announced limit is {}", self.config.max_message))
    }

    #[inline(always)]
    fn take_call<'a>(
        &mut self,
        head: &Head,
        options: &Options,
        payload: Payload<'a>,
        now: Time,
    ) -> Result<Option<Event<'a>>, Violation> {
        if self.calls_in.len() >= self.config.window as usize {
            return Err(Violation(format!("more than {} calls without a verdict", self.config.window)));
        }
        if head.object == 0 || head.object > self.opened_by_peer {
            return Err(Violation(format!(
                "a call of service number {}, which was never opened",
                head.object
            )));
        }
        let left = options.deadline.map_or(MAX_DEADLINE, |left| left.min(MAX_DEADLINE));
        let refuse = |code, text: &str| Error::new(code, Fate::NotExecuted, text);
        let refusal = if self.draining || self.closing {
            Some(refuse(Code::Draining, "the server is shutting down"))
        } else if left.is_zero() {
            Some(refuse(Code::DeadlineExceeded, "the deadline had passed on arrival"))
        } else if head.flags.unknown() != 0 || options.refused.is_some() {
            Some(refuse(Code::Unsupported, "the call asks for something that this side does not know"))
        } else {
            None
        };
        if let Some(error) = refusal {
            self.outbox.push_verdict(Kind::Error, Flags::NONE, head.call, encode_error(&error));
            return Ok(None);
        }
        let deadline = now + left;
        // The caller's clock is the one that counts: this side's reading may be old, and that of what is left as well.
        let latest = deadline + CLOCK_TICK + CLOCK_TICK;
        self.hasten(latest);
        let key = self.calls_in.add(head.call, latest);
        let Head { object, method, .. } = *head;
        Ok(Some(Event::Request { key, object, method, deadline, cause: options.cause, payload }))
    }

    #[inline(always)]
    fn handle_reply<'a>(&mut self, head: Head, part: Part<'a>) -> Result<Option<Event<'a>>, Violation> {
        let whole = !head.flags.has(Flags::MORE) && !head.flags.has(Flags::CONTINUED);
        let (head, payload) = if whole {
            if part.len() > self.config.max_message {
                return Err(self.above_limit(part.len()));
            }
            (head, part.into_payload())
        } else {
            self.calls_out.find(head.call).ok_or_else(|| no_such_call(head.call))?;
            if part.is_empty() {
                self.liveness.idle()?;
            }
            let gathered = self.replies_lane.add(head, Options::default(), part, self.config.max_message)?;
            self.note_gathering();
            match gathered {
                Some(gathered) => (gathered.head, Payload::Owned(gathered.message)),
                None => return Ok(None),
            }
        };
        let failed = head.flags.has(Flags::FAILED);
        self.handle_verdict(
            head.call,
            if failed { Verdict::Failed(payload) } else { Verdict::Value(payload) },
        )
    }

    /// Who waits for the verdict of the call of this number.
    pub fn token(&self, number: u64) -> Option<u32> {
        self.calls_out.token(number)
    }

    #[inline]
    fn handle_verdict<'a>(&mut self, id: u64, verdict: Verdict<'a>) -> Result<Option<Event<'a>>, Violation> {
        let token = self.calls_out.settle(id).ok_or_else(|| no_such_call(id))?;
        self.liveness.useful();
        if self.replies_lane.abort(id) {
            self.note_gathering();
        }
        Ok(token.map(|token| Event::Verdict { token, verdict }))
    }

    fn handle_cancel(&mut self, id: u64) -> Result<Option<Event<'static>>, Violation> {
        let Some(key) = self.calls_in.key(id) else { return self.liveness.idle().map(|()| None) };
        match self.calls_in.stage(key) {
            Some(Stage::Waiting) => {
                self.calls_in.remove(key);
                self.outbox.push_verdict(
                    Kind::Cancelled,
                    Flags::NONE,
                    id,
                    encode_cancelled(Fate::NotExecuted),
                );
                Ok(Some(Event::Stop(key)))
            }
            Some(Stage::Running) => {
                self.calls_in.set_stage(key, Stage::Cancelled);
                Ok(Some(Event::Stop(key)))
            }
            _ => self.liveness.idle().map(|()| None),
        }
    }

    fn handle_abort(&mut self, id: u64) -> Result<Option<Event<'static>>, Violation> {
        if !self.calls_lane.abort(id) {
            return Err("the end of a call that had not begun".into());
        }
        self.note_gathering();
        self.liveness.idle().map(|()| None)
    }

    fn handle_ping(&mut self, token: u64) -> Result<Option<Event<'static>>, Violation> {
        self.liveness.idle()?;
        self.outbox.push_pong(token);
        Ok(None)
    }

    fn handle_drain(&mut self, last: u64) -> Option<Event<'static>> {
        self.peer_drains = true;
        self.peer_last = last;
        let text = "the server is shutting down and takes no new calls";
        let error = Error::new(Code::Draining, Fate::NotSent, text);
        self.lose(&error, Handed::accepted(0), Scope::Untaken);
        Some(Event::Draining)
    }

    fn handle_close(&mut self, last: u64, error: Error) -> Option<Event<'static>> {
        self.peer_last = self.peer_last.min(last);
        Some(Event::Closed(error))
    }
}

/// What this side's own link says of a call that it has not sent, or that was taken by somebody who is dead.
fn known_first_hand(error: Error, payload: &[u8]) -> Error {
    let was_not_sent = payload.get(2) == Some(&0);
    let error = if was_not_sent { error.with_fate(Fate::NotSent) } else { error };
    match error.code() {
        Code::PeerGone(_) => Error::new(Code::PeerGone(Gone::Exited), error.fate(), error.to_string()),
        _ => error,
    }
}

fn no_such_call(id: u64) -> Violation {
    Violation(format!("a verdict for call {id}, which waits for none"))
}
