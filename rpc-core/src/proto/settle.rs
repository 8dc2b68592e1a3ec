//! Endings: time that has passed, draining, closing, and a link that is lost.

use crate::error::{Code, Error, Fate};
use crate::proto::calls_out::Scope;
use crate::proto::liveness::Due;
use crate::proto::{Event, Handed, Machine, Stage, Verdict};
use crate::time::Time;
use crate::wire::{Head, Kind, encode_error};

impl Machine {
    /// When [`handle_timeout`](Self::handle_timeout) has to be called at the latest. May be earlier than need be.
    pub fn poll_timeout(&self) -> Option<Time> {
        Some(self.due).filter(|due| *due != Time::NEVER)
    }

    /// The same; [`Time::NEVER`] if nothing is due.
    #[inline]
    pub fn due(&self) -> Time {
        self.due
    }

    /// Something is due at this time.
    pub(super) fn hasten(&mut self, time: Time) {
        self.due = self.due.min(time);
    }

    /// Finds out what is due next.
    pub(super) fn plan(&mut self) {
        let bounds = [
            self.calls_out.earliest(),
            self.calls_in.earliest(),
            self.liveness.next(self.circumstances()),
            self.answers_by,
        ];
        self.due = bounds.into_iter().flatten().min().unwrap_or(Time::NEVER);
    }

    /// Time has passed: deadlines, pings, stalls. Events follow from [`poll_event`](Machine::poll_event).
    pub fn handle_timeout(&mut self, now: Time) {
        if self.calls_out.earliest().is_some_and(|earliest| earliest <= now) {
            self.expire_calls(now);
        }
        if self.calls_in.earliest().is_some_and(|earliest| earliest <= now) {
            self.expire_requests(now);
        }
        self.miss_answers(now);
        match self.liveness.due(now, self.circumstances()) {
            Some(Due::Ping) => self.outbox.push_control(Head::new(Kind::Ping, now.as_nanos()), Vec::new()),
            Some(Due::Dead(error)) => self.events.push_back(Event::Closed(error)),
            None => {}
        }
        self.plan();
    }

    fn expire_calls(&mut self, now: Time) {
        for (key, token) in self.calls_out.expire(now) {
            let fate = self.cancel(key).fate();
            let text = if fate == Fate::NotSent && self.calls_out.in_flight() > 0 {
                format!("the deadline passed before the call was sent: {}", self.in_flight_text())
            } else {
                "the deadline passed".to_owned()
            };
            if let Some(token) = token {
                let error = Error::new(Code::DeadlineExceeded, fate, text);
                self.events.push_back(Event::Verdict { token, verdict: Verdict::Error(error) });
            }
        }
    }

    fn expire_requests(&mut self, now: Time) {
        for (key, stage) in self.calls_in.expire(now) {
            if stage == Stage::Running {
                self.calls_in.set_stage(key, Stage::Expired);
                self.events.push_back(Event::Stop(key));
            } else {
                let text = "the deadline passed before the handler began";
                self.refuse(key, &Error::new(Code::DeadlineExceeded, Fate::NotExecuted, text));
                self.events.push_back(Event::Stop(key));
            }
        }
    }

    /// How the link stands after a turn: bytes that do not leave, a message that has come in part.
    pub fn note_link(&mut self, now: Time, blocked: bool, partial: bool) {
        self.liveness.note(now, blocked, partial);
        if blocked || partial {
            self.plan();
        }
    }

    /// Bytes have left.
    pub fn note_sent(&mut self, now: Time) {
        self.liveness.took(now);
    }

    /// Takes no new calls from the peer and tells it so.
    pub fn drain(&mut self) {
        if !self.draining && !self.closing {
            self.draining = true;
            if self.has_said_hello() {
                self.say_drain();
            }
        }
    }

    pub(super) fn say_drain(&mut self) {
        self.outbox.push_control(Head::new(Kind::Drain, self.calls_in.last()), Vec::new());
    }

    /// Says goodbye and why; nothing but this is sent any more. Calls without a verdict end with
    /// [`handle_link_lost`](Machine::handle_link_lost).
    pub fn close(&mut self, error: &Error) {
        if !self.closing {
            self.closing = true;
            let last = self.calls_in.last();
            self.outbox.push_last(Head::new(Kind::Close, last), encode_error(error));
        }
    }

    /// Whether [`close`](Machine::close) was called.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// The link is gone, and so much is known of the frames handed out. Every call ends: events follow.
    pub fn handle_link_lost(&mut self, error: &Error, handed: Handed) {
        self.closing = true;
        self.lose(error, handed, Scope::All);
        for (key, stage) in self.calls_in.all() {
            match stage {
                Stage::Running => self.calls_in.set_stage(key, Stage::Cancelled),
                Stage::Waiting => drop(self.calls_in.remove(key)),
                Stage::Cancelled | Stage::Expired => continue,
            }
            self.events.push_back(Event::Stop(key));
        }
    }

    pub(super) fn lose(&mut self, error: &Error, handed: Handed, scope: Scope) {
        for (token, fate) in self.calls_out.take_lost(handed, self.peer_last, scope) {
            if let Some(token) = token {
                let verdict = Verdict::Error(error.with_fate(fate));
                self.events.push_back(Event::Verdict { token, verdict });
            }
        }
    }

    /// Ends the calls to be served that still run, as a shutdown does when its grace is over.
    pub fn stop_running(&mut self) {
        for (key, stage) in self.calls_in.all() {
            if stage == Stage::Waiting {
                let error = Error::new(Code::Draining, Fate::NotExecuted, "the server is shutting down");
                self.refuse(key, &error);
            } else {
                self.stopped(key);
            }
            self.events.push_back(Event::Stop(key));
        }
    }
}
