//! How a call begins: with what it inherits, on the connection that is chosen for it.

use std::task::Waker;

use crate::buffers;
use crate::client::Call;
use crate::client::call::State;
use crate::context;
use crate::driver::Receive;
use crate::error::{Code, Error, Fate};
use crate::limits::{EXACT, MAX_DEADLINE};
use crate::session::{CallParts, Departure, Started};

impl<T, E> Call<T, E> {
    /// Starts the call unless it has been started; a call of a pool, where it can be started.
    pub(super) fn start(
        &mut self,
        waker: Option<&Waker>,
        departure: Departure,
        awake: bool,
    ) -> Option<Started> {
        self.choose();
        let mut started = self.start_here(waker, departure, awake);
        while started.is_none() && self.starts_again() {
            started = self.start_here(waker, departure, awake);
        }
        started
    }

    /// Leaves a call that goes on. Where the link plays the peer, what becomes of the call is known once it is sent.
    pub(super) fn leave(&self, token: u32) -> Result<(), Error> {
        let driver = self.driver();
        if driver.capabilities().survives_peer {
            driver.session().mark_detached(token)?;
            driver.turn(Receive::No, false);
            while driver.turn(Receive::Yes, driver.anyone_dispatches()) {}
        }
        driver.session().detach(token)
    }

    /// Starts the call on its connection unless it has been started.
    pub(super) fn start_here(
        &mut self,
        waker: Option<&Waker>,
        departure: Departure,
        awake: bool,
    ) -> Option<Started> {
        let body = match std::mem::replace(&mut self.state, State::Done) {
            State::Encoded(body) => body,
            other => {
                self.state = other;
                return None;
            }
        };
        let driver = self.driver();
        let (inherited, cause) = context::inherited(driver);
        let deadline = self.deadline.min(MAX_DEADLINE);
        let priority = self.priority;
        let exact = deadline < EXACT || inherited.is_some();
        let now = if exact { driver.host().now() } else { driver.host().lately() };
        let own = now + deadline;
        let deadline = inherited.map_or(own, |inherited| inherited.min(own));
        if deadline <= now {
            buffers::give(body);
            let text = "the deadline had passed before the call was sent";
            self.state = State::Refused(Error::new(Code::DeadlineExceeded, Fate::NotSent, text));
            return None;
        }
        let (object, method) = (self.core.object, self.method);
        let looks = driver.is_polite();
        let parts = |body| CallParts { object, method, body, now, deadline, cause, looks, priority };
        let mut started = driver.start(parts(body), waker.cloned(), departure, awake);
        // Credit may have come back that nobody has read, and who fails at once never reads.
        if let Err((error, body)) = &mut started
            && error.code() == Code::Overloaded
        {
            let body = std::mem::take(body);
            driver.touch();
            started = driver.start(parts(body), waker.cloned(), departure, awake);
        }
        match started {
            Ok(started) => {
                self.state = State::Started(started.token);
                Some(started)
            }
            Err((error, body)) => {
                buffers::give(body);
                self.state = State::Refused(error);
                None
            }
        }
    }
}
