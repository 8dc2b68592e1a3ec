//! A call's course: how it begins on a connection, with what it inherits, and how a thread waits for its end.

use std::cell::Cell;
use std::task::Waker;
use std::time::Duration;

use crate::buffers;
use crate::client::ClientCore;
use crate::context;
use crate::driver::with_thread_waker;
use crate::error::{Code, Error, Fate};
use crate::limits::{EXACT, MAX_DEADLINE};
use crate::proto::NewCall;
use crate::session::{Departure, Settled, Started};
use crate::time::Time;

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

impl Course {
    /// Starts the call on this connection unless it has been started.
    pub(super) fn start(
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
        let host = driver.host();
        let (inherited, cause) = context::inherited(driver);
        // What is left of another call's deadline is reckoned from the same time that this call gets.
        let exactly = inherited.map(|inherited| (host.now(), inherited));
        let own = self.deadline.min(MAX_DEADLINE);
        let left = exactly.map_or(own, |(now, inherited)| inherited.since(now).min(own));
        if left.is_zero() {
            buffers::give(body);
            let text = "the deadline had passed before the call was sent";
            self.state = State::Refused(Error::new(Code::DeadlineExceeded, Fate::NotSent, text));
            return None;
        }
        // Once: it is sent again as the same call.
        let begun = Cell::new(exactly.map(|(now, _)| now));
        let clock = || {
            let now = begun.get().unwrap_or_else(|| if left < EXACT { host.now() } else { host.lately() });
            begun.set(Some(now));
            now
        };
        let mut call = NewCall {
            token: 0,
            object: core.object,
            method: self.method,
            body,
            at: Time::default(),
            deadline: Time::default() + left,
            cause,
            priority: self.priority,
        };
        let mut started = driver.start(&mut call, waker.cloned(), departure, awake, clock);
        // Credit may have come back that nobody has read, and who fails at once never reads.
        if started.as_ref().is_err_and(|error| error.code() == Code::Overloaded) {
            clock();
            driver.touch();
            started = driver.start(&mut call, waker.cloned(), departure, awake, clock);
        }
        match started {
            Ok(started) => {
                self.state = State::Started(started.token);
                Some(started)
            }
            Err(error) => {
                buffers::give(call.body);
                self.state = State::Refused(error);
                None
            }
        }
    }

    /// Starts the call if need be, and waits on this thread until it is `settled`; not if it cannot be started.
    pub(super) fn settle(&mut self, core: &ClientCore, settled: &mut Option<Settled>) {
        let driver = core.driver();
        if let State::Started(token) = self.state {
            *settled = driver.session().try_take(token);
            if settled.is_some() {
                return;
            }
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
        let State::Started(token) = self.state else { return };
        if started.is_none() {
            // Whoever was to send it, with others, may not come to it.
            driver.flush();
        }
        let mut alone = started.map(|started| started.alone);
        loop {
            driver.wait_politely(token, alone == Some(true), settled);
            if settled.is_none() {
                *settled = driver.wait(token, started.is_some() && !polite);
            }
            if settled.is_some() {
                return;
            }
            alone = Some(driver.session().outstanding() == 1);
        }
    }
}
