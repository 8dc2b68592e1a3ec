//! One handler's run: its place in the session and the verdict that ends it.

use std::any::Any;
use std::sync::Arc;
use std::task::Waker;

use crate::context::{Entered, Serving};
use crate::driver::{Driver, InPlace};
use crate::error::{Code, Error, Fate};
use crate::proto::Stage;
use crate::server::load::{Load, Permit};
use crate::session::Outcome;

/// The call's place in the session. Dropped without a verdict, it ends the call as stopped.
#[derive(Debug)]
pub(super) struct Run {
    /// Lies with the thread while the handler is polled.
    serving: Option<Serving>,
    ended: bool,
    permit: Option<Permit>,
}

impl Run {
    pub(super) fn new(serving: Serving) -> Self {
        Run { serving: Some(serving), ended: false, permit: None }
    }

    fn serving(&self) -> &Serving {
        self.serving.as_ref().expect("the handler is not being polled")
    }

    pub(super) fn driver(&self) -> &Arc<Driver> {
        &self.serving().driver
    }

    pub(super) fn enter(&mut self) -> Entered<'_> {
        Entered::new(&mut self.serving)
    }

    /// The handler goes on elsewhere.
    pub(super) fn leave(&mut self, load: &Load) {
        self.permit = Some(load.enter());
    }

    /// The call waits again; `waker` is woken when it is no longer wanted. `false`: it is not now.
    pub(super) fn postpone(&self, waker: &Waker) -> bool {
        self.driver().session().postpone(self.serving().key, waker)
    }

    /// The handler of a call that has waited begins; `false`: it is no longer wanted.
    pub(super) fn begin(&self) -> bool {
        self.driver().session().begin(self.serving().key)
    }

    /// Tells whether the call has no verdict yet, also when the run is elsewhere.
    pub(super) fn standing(&self) -> impl Fn() -> bool + use<> {
        let (driver, key) = (Arc::clone(self.driver()), self.serving().key);
        move || driver.session().stage(key).is_some()
    }

    pub(super) fn watch(&self, waker: &Waker) -> Option<Stage> {
        self.driver().session().watch(self.serving().key, waker)
    }

    /// Gives the verdict.
    pub(super) fn end(mut self, result: Result<Encoded, Refusal>) {
        self.ended = true;
        self.driver().session().finish(self.serving().key, outcome(result));
    }

    /// The handler has ended in place: whoever dispatches gives the verdict.
    #[inline(always)]
    pub(super) fn end_in(mut self, place: &mut InPlace, result: Result<Encoded, Refusal>) {
        self.ended = true;
        let Serving { driver, key, .. } = self.serving.take().expect("the handler is not being polled");
        place.ended = Some((key, outcome(result)));
        place.driver = Some(driver);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.driver().session().finish(self.serving().key, Outcome::Stopped);
            self.driver().flush_soon();
        }
    }
}

/// A result in bytes.
#[derive(Debug)]
pub struct Encoded {
    pub(super) failed: bool,
    pub(super) buf: Vec<u8>,
    /// What follows `buf`.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Why a call ends without a value.
#[derive(Debug)]
pub struct Refusal(pub(super) Error);

fn outcome(result: Result<Encoded, Refusal>) -> Outcome {
    match result {
        Ok(Encoded { failed, buf, bytes: Some(bytes) }) => Outcome::Bytes { failed, front: buf, bytes },
        Ok(Encoded { failed: false, buf, .. }) => Outcome::Value(buf),
        Ok(Encoded { failed: true, buf, .. }) => Outcome::Failed(buf),
        Err(Refusal(error)) => Outcome::Refused(error),
    }
}

/// What a handler's panic tells its caller.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Refusal {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = format!("the handler panicked: {}", said.unwrap_or("it said nothing"));
    Refusal(Error::new(Code::HandlerPanicked, Fate::Started, text))
}
