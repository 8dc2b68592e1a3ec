//! What the peer has said of the services that were opened at it.

use std::task::Waker;

use crate::error::Error;
use crate::session::Session;
use crate::time::Time;
use crate::wire::Opened;

impl Session {
    /// Opens a service at the peer; its number.
    ///
    /// # Errors
    /// As [`Machine::open`](crate::proto::Machine::open).
    pub fn open<'a>(
        &self,
        service: &str,
        methods: impl ExactSizeIterator<Item = (&'a str, u64)>,
    ) -> Result<u32, Error> {
        self.lock().machine.open(service, methods)
    }

    /// Answers what [`Chores::open`](crate::session::Rare::open) asks.
    pub fn answer_open(&self, object: u32, opened: &Opened) {
        self.lock().machine.answer_open(object, opened);
    }

    /// What the peer has said of a service, if it has.
    pub fn opened(&self, object: u32) -> Option<Opened> {
        self.lock().machine.opened(object).cloned()
    }

    /// The session ends if the peer has not answered every opening by then.
    pub fn expect_answers(&self, until: Time) {
        let mut inner = self.lock();
        inner.machine.expect_answers(until);
    }

    /// What the peer has said of a service (`Some(Ok)`), or why the session has ended; neither yet: then `waker` is woken.
    pub fn answered(&self, object: u32, waker: &Waker) -> Option<Result<Opened, Error>> {
        let waker = waker.clone();
        let mut inner = self.lock();
        if let Some(error) = &inner.ended {
            return Some(Err(error.clone()));
        }
        if let Some(opened) = inner.machine.opened(object) {
            return Some(Ok(opened.clone()));
        }
        inner.watchers.push(waker);
        None
    }

    /// How the peer writes the shape of a method that it refuses for its shape.
    pub fn shape_there(&self, object: u32, method: u16) -> Option<String> {
        let inner = self.lock();
        inner.machine.opened(object)?.shape(method.into()).map(str::to_owned)
    }
}
