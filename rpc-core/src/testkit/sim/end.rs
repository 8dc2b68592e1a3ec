//! One end of a simulated connection, as the simulated world sees it.

use crate::error::{Error, Fate};
use crate::proto::{Config, InKey, Stage};
use crate::session::Outcome;
use crate::testkit::ScriptedStream;
use crate::time::Time;
use crate::transport::Framed;

/// How a call ended for its caller.
#[derive(Debug)]
pub(super) enum Ended {
    Value(Vec<u8>),
    Failed(Vec<u8>),
    Error(Error),
}

/// A request that has just been dispatched.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) key: InKey,
    pub(super) body: Vec<u8>,
}

/// A call to be started.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) tag: u64,
    pub(super) body: Vec<u8>,
    pub(super) at: Time,
    pub(super) deadline: Time,
    pub(super) cause: Option<u64>,
}

pub(super) trait End {
    fn new(config: Config, link: Framed<ScriptedStream>) -> Self;
    /// Receives, lets time pass, sends.
    fn turn(&mut self, now: Time);
    fn start(&mut self, start: Start) -> Result<(), Error>;
    /// Leaves a call; what may be believed of it, if this end says so.
    fn cancel(&mut self, tag: u64) -> Option<Fate>;
    fn detach(&mut self, tag: u64) -> Result<(), Error>;
    /// Verdicts that have come since the last time.
    fn outcomes(&mut self) -> Vec<(u64, Ended)>;
    /// The next request in the order of arrival, dispatched.
    fn next_request(&mut self) -> Option<Asked>;
    fn stage(&self, key: InKey) -> Option<Stage>;
    fn finish(&mut self, key: InKey, outcome: Outcome);
    fn drain(&mut self);
    fn close(&mut self);
    fn over(&self) -> Option<Error>;
    /// Calls of this end without a verdict, if it says so.
    fn outstanding(&self) -> Option<usize>;
    /// Calls of the peer without a verdict.
    fn serving(&self) -> usize;
    fn is_flushed(&self) -> bool;
}
