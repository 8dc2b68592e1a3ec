//! Calls made from here: what is refused at once, how they begin, how their callers leave them.

use crate::error::{Code, Error, Fate};
use crate::limits::PING_AFTER;
use crate::proto::machine::{PeerLimits, WhenFull};
use crate::proto::{Left, Machine, NewCall, OutKey, Outgoing};
use crate::time::Time;
use crate::wire::{Answer, Head, Kind};

impl Machine {
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

    /// The same for a call that is to leave at once: if nothing is in front of it, its frame goes to `send`, which says whether
    /// it took it. Otherwise the call waits like others; `true`: it has left.
    ///
    /// The frame goes first and the call is noted thereafter: the peer begins meanwhile.
    ///
    /// # Errors
    /// As [`call`](Machine::call).
    #[inline(always)]
    pub fn call_now(
        &mut self,
        mut call: NewCall,
        now: Time,
        send: impl FnOnce(&mut Outgoing) -> bool,
    ) -> Result<(OutKey, bool), (Error, NewCall)> {
        let is_clear = |peer: &PeerLimits| {
            call.body.len() <= self.calls_out.fragment()
                && self.outbox.is_empty()
                && self.calls_out.is_clear(peer.window)
        };
        if !self.peer.as_ref().is_some_and(is_clear) {
            return self.call(call).map(|key| (key, false));
        }
        if let Some(error) = self.check_call(&call) {
            return Err((error, call));
        }
        let mut frame = self.calls_out.frame_of_next(&mut call, now);
        if !send(&mut frame) {
            call.body = frame.into_message();
            return self.call(call).map(|key| (key, false));
        }
        self.hasten(call.latest());
        self.expect_answer(now);
        self.handed_out = self.handed_out.saturating_add(1);
        Ok((self.calls_out.add_sent(&call, self.handed_out), true))
    }

    /// A call is about to be handed out.
    pub(super) fn expect_answer(&mut self, now: Time) {
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

    /// The same, but the caller still wants to know what is known as soon as it is sent.
    ///
    /// # Errors
    /// As [`detach`](Machine::detach).
    pub fn mark_detached(&mut self, key: OutKey) -> Result<(), Error> {
        self.calls_out.mark_detached(key)
    }

    /// The number of a call that has been sent at least in part.
    pub fn number(&self, key: OutKey) -> Option<u64> {
        self.calls_out.number(key)
    }
}
