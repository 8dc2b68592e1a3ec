//! A call's course: how it begins, with what it inherits, on the connection that is chosen for it; and how a thread waits for
//! its end.

use std::task::Waker;
use std::time::Duration;

use crate::buffers;
use crate::client::{Call, ClientCore};
use crate::context;
use crate::driver::{Receive, with_thread_waker};
use crate::error::{Code, Error, Fate};
use crate::limits::{EXACT, MAX_DEADLINE};
use crate::session::{CallParts, Departure, Settled, Started};

/// How far a call has come, and what its start needs besides the connection.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) method: u16,
    pub(super) deadline: Duration,
    pub(super) priority: u8,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Encoded(Vec<u8>),
    /// It could not be encoded or started.
    Refused(Error),
    Started(u32),
    Done,
}

impl<T, E> Call<T, E> {
    /// Starts the call unless it has been started; a call of a pool, where it can be started.
    pub(super) fn start(
        &mut self,
        waker: Option<&Waker>,
        departure: Departure,
        awake: bool,
    ) -> Option<Started> {
        self.choose();
        let mut started = self.course.start(&self.core, waker, departure, awake);
        while started.is_none() && self.starts_again() {
            started = self.course.start(&self.core, waker, departure, awake);
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
}

impl Course {
    /// Starts the call on this connection unless it has been started.
    fn start(
        &mut self,
        core: &ClientCore,
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
        let driver = core.driver();
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
        let (object, method) = (core.object, self.method);
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
    /// The verdict, for which this thread waits, of a call that is started if need be; `None`: it cannot be.
    pub(super) fn settle(&mut self, core: &ClientCore) -> Option<Settled> {
        let driver = core.driver();
        if let State::Started(token) = self.state
            && let Some(settled) = driver.session().try_take(token)
        {
            return Some(settled);
        }
        let polite = driver.is_polite();
        let started = if polite {
            self.start(core, None, Departure::AtOnce, true)
        } else {
            with_thread_waker(|waker| self.start(core, Some(waker), Departure::AtOnce, false))
        };
        match started {
            Some(started) if polite => driver.flush_awake(started.at),
            Some(started) => driver.flush_at(started.at),
            None => {}
        }
        let State::Started(token) = self.state else { return None };
        if started.is_none() {
            // Whoever was to send it, with others, may not come to it.
            driver.flush();
        }
        let mut alone = started.map(|started| started.alone);
        loop {
            let waited = driver.wait_politely(token, alone == Some(true));
            let settled = waited.or_else(|| driver.wait(token, started.is_some() && !polite));
            if settled.is_some() {
                return settled;
            }
            alone = Some(driver.session().outstanding() == 1);
        }
    }
}
