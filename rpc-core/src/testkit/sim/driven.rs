//! An end that is a real driver and session, on a host whose clock the world sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bare::gone;
use super::end::{Asked, End, Ended, Start};
use super::two_steps::TwoSteps;
use crate::driver::{Dispatch, Driver, Home, Host, InPlace, Parts, Receive, Waiting};
use crate::error::{Code, Error, Fate, Gone};
use crate::proto::NewCall;
use crate::proto::{Config, InKey, Machine, Stage};
use crate::session::{Departure, Outcome, Request, Session, Settled};
use crate::testkit::{Clockwork, ScriptedStream};
use crate::time::Time;
use crate::transport::Framed;
use crate::wire::{Answer, Open, Opened};

pub(super) struct Driven {
    driver: Arc<Driver>,
    host: Arc<Clockwork>,
    opened: bool,
    dispatching: bool,
    /// Calls whose callers stay, by tag; their slots.
    pending: BTreeMap<u64, u32>,
}

/// Opens whatever is asked for; the scenario itself takes the calls.
struct Everything;

impl Dispatch for Everything {
    fn open(&self, _: u32, open: Open) -> Opened {
        let answers = open.methods.iter().map(|_| Answer::Served).collect();
        Opened { known: true, answers, text: String::new(), shapes: Vec::new() }
    }

    fn dispatch(&self, _: &Arc<Driver>, _: Request, _: &mut InPlace) {}

    fn note_hold(&self, _: &Driver, _: u32, _: u16, _: Duration) {}
}

impl Driven {
    fn session(&self) -> &Session {
        self.driver.session()
    }
}

impl End for Driven {
    fn new(config: Config, link: Framed<ScriptedStream>) -> Self {
        let host = Arc::new(Clockwork::default());
        let driver = Driver::new(Parts {
            session: Session::new(Machine::new(config, Time::default())),
            link: Box::new(TwoSteps::new(link)),
            host: Arc::clone(&host) as Arc<dyn Host>,
            server: Some(Arc::new(Everything)),
            home: Home::Attendants,
            waiting: Waiting::Park,
            url: "sim:".into(),
        });
        Driven { driver, host, opened: false, dispatching: false, pending: BTreeMap::new() }
    }

    fn turn(&mut self, now: Time) {
        self.host.set(now);
        self.driver.turn(Receive::Yes, false);
        if self.session().is_ready() && !std::mem::replace(&mut self.opened, true) {
            self.session().open("Sim", [("call", 0)].into_iter()).expect("one service");
        }
        if let Some(error) = self.session().ended() {
            let poisoned = matches!(error.code(), Code::PeerGone(Gone::Poisoned) | Code::ProtocolViolation);
            assert!(!poisoned, "an honest peer broke a rule: {error}");
        }
    }

    fn start(&mut self, start: Start) -> Result<(), Error> {
        let Start { tag, body, at, deadline, cause } = start;
        let mut call = NewCall { token: 0, object: 1, method: 0, body, at, deadline, cause, priority: 0 };
        let departure = if tag.is_multiple_of(2) { Departure::AtOnce } else { Departure::WithOthers };
        let started = self.driver.start(&mut call, None, departure, false, || at)?;
        self.pending.insert(tag, started.token);
        Ok(())
    }

    fn cancel(&mut self, tag: u64) -> Option<Fate> {
        if let Some(token) = self.pending.remove(&tag) {
            self.session().abandon(token);
        }
        None
    }

    fn detach(&mut self, tag: u64) -> Result<(), Error> {
        match self.pending.remove(&tag) {
            Some(token) => self.session().detach(token),
            None => Ok(()),
        }
    }

    fn outcomes(&mut self) -> Vec<(u64, Ended)> {
        let mut outcomes = Vec::new();
        let session = self.driver.session();
        self.pending.retain(|tag, token| match session.try_take(*token) {
            Some(settled) => {
                let ended = match settled {
                    Settled::Value(body) => Ended::Value(body.into_buffer()),
                    Settled::Failed(body) => Ended::Failed(body.into_buffer()),
                    Settled::Error(error) => Ended::Error(error),
                };
                outcomes.push((*tag, ended));
                false
            }
            None => true,
        });
        outcomes
    }

    fn next_request(&mut self) -> Option<Asked> {
        let request =
            if self.dispatching { self.session().next_request() } else { self.session().begin_dispatch() };
        self.dispatching = request.is_some();
        request.map(|Request { key, body, .. }| Asked { key, body })
    }

    fn stage(&self, key: InKey) -> Option<Stage> {
        self.session().stage(key)
    }

    fn finish(&mut self, key: InKey, outcome: Outcome) {
        self.session().finish(key, outcome);
    }

    fn drain(&mut self) {
        self.session().drain();
    }

    fn close(&mut self) {
        self.session().close(&gone("the other side closed"));
    }

    fn over(&self) -> Option<Error> {
        self.session().ended()
    }

    fn outstanding(&self) -> Option<usize> {
        None
    }

    fn serving(&self) -> usize {
        self.session().serving()
    }

    fn is_flushed(&self) -> bool {
        self.session().is_flushed() && !self.driver.wants().write
    }
}
