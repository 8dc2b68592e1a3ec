//! Calls made from here: what is refused at once, how they begin, how their callers leave them.

use crate::error::{Code, Error, Fate};
use crate::limits::PING_AFTER;
use crate::proto::machine::{PeerLimits, WhenFull};
use crate::proto::{Left, Machine, NewCall, OutKey, Outgoing};
use crate::time::Time;
use crate::wire::{Answer, Head, Kind};

impl Machine {
    /// Starts a call, whose arguments are taken.
    ///
    /// # Errors
    /// What is known to be refused is refused here, `NotSent`: size, an unknown method, draining, no credit. The arguments
    /// stay with the call.
    pub fn call(&mut self, call: &mut NewCall) -> Result<OutKey, Error> {
        self.check_call(call)?;
        self.hasten(call.latest());
        Ok(self.calls_out.add(call))
    }

    /// Makes the `frame` of a call that may leave at once, which takes its arguments; `false`: something is in front of it, or it
    /// is too long for one frame. Nothing is noted before it [has left](Machine::note_called), and no other call may come first.
    ///
    /// # Errors
    /// As [`call`](Machine::call).
    #[inline(always)]
    pub fn frame_at_once(&self, call: &mut NewCall, frame: &mut Outgoing) -> Result<bool, Error> {
        let is_clear = |peer: &PeerLimits| {
            call.body.len() <= self.calls_out.fragment()
                && self.outbox.is_empty()
                && self.calls_out.is_clear(peer.window)
        };
        if !self.peer.as_ref().is_some_and(is_clear) {
            return Ok(false);
        }
        self.check_call(call)?;
        self.calls_out.frame_of_next(call, frame);
        Ok(true)
    }

    /// The [frame](Machine::frame_at_once) of this call has left.
    #[inline(always)]
    pub fn note_called(&mut self, call: &NewCall) -> OutKey {
        self.hasten(call.latest());
        self.expect_answer(call.at);
        self.handed_out = self.handed_out.saturating_add(1);
        self.calls_out.add_sent(call, self.handed_out)
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

    fn check_call(&self, call: &NewCall) -> Result<(), Error> {
        let refuse = |code, text: String| Err(Error::new(code, Fate::NotSent, text));
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
        let Some(opened) = self.opened(call.object) else { return Ok(()) };
        if !opened.known {
            return refuse(Code::UnknownService, opened.text.clone());
        }
        match opened.answers.get(usize::from(call.method)) {
            None | Some(Answer::Served) => Ok(()),
            Some(Answer::Unknown) => refuse(Code::UnknownMethod, opened.text.clone()),
            Some(Answer::Differs) => refuse(Code::SchemaMismatch, opened.text.clone()),
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
