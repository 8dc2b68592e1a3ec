//! A client process in either style: how it connects, calls and rests.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ::farcall::Call;
use rustix::process::Pid;
use tokio::runtime::Runtime;

use crate::case::Style;
use crate::measure::{Tally, one_by_one};

use super::answers::{checked, failed, in_one_task};
use super::{EchoClient, runtime};

/// The null call asks for the sum of these.
const SUMMANDS: (i64, i64) = (20, 22);

/// Null calls of a client, one after the other.
#[derive(Debug)]
pub(super) enum Caller {
    /// With `.wait()`.
    Waiting,
    /// With `.await`, on a current-thread runtime.
    Awaiting(Runtime),
}

impl Caller {
    /// Starts the runtime, where the style has one.
    pub(super) fn new(style: Style) -> io::Result<Self> {
        match style {
            Style::Wait => Ok(Self::Waiting),
            Style::Await => runtime().map(Self::Awaiting),
        }
    }

    pub(super) fn connect(&self, url: &str) -> io::Result<EchoClient> {
        match self {
            Self::Waiting => ::farcall::connect(url).wait(),
            Self::Awaiting(runtime) => runtime.block_on(async { ::farcall::connect(url).await }),
        }
        .map_err(failed)
    }

    /// The server's process.
    pub(super) fn server(&self, client: &EchoClient) -> io::Result<Pid> {
        let answer = match self {
            Self::Waiting => client.process().wait(),
            Self::Awaiting(runtime) => runtime.block_on(client.process()),
        };
        Pid::from_raw(answer.map_err(failed)?).ok_or_else(|| io::Error::other("the server has no process id"))
    }

    /// Null calls for the given time.
    pub(super) fn call(&self, client: &EchoClient, length: Duration, tally: &mut Tally) -> io::Result<()> {
        match self {
            Self::Waiting => one_by_one(length, tally, || checked(add(client).wait(), is_sum)),
            Self::Awaiting(runtime) => {
                let record = |latency| tally.record(latency);
                runtime.block_on(in_one_task(Instant::now() + length, || add(client), is_sum, record))
            }
        }
    }

    /// One call whose time does not matter.
    pub(super) fn call_once(&self, client: &EchoClient) -> io::Result<()> {
        let answer = match self {
            Self::Waiting => add(client).wait(),
            Self::Awaiting(runtime) => runtime.block_on(add(client)),
        };
        checked(answer, is_sum)
    }

    /// The echo of those bytes.
    pub(super) fn echo_once(&self, client: &EchoClient, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Waiting => client.echo(bytes).wait(),
            Self::Awaiting(runtime) => runtime.block_on(client.echo(bytes)),
        }
        .map_err(failed)
    }

    /// Does nothing for that time; a runtime turns meanwhile.
    pub(super) fn rest(&self, length: Duration) {
        match self {
            Self::Waiting => thread::sleep(length),
            Self::Awaiting(runtime) => runtime.block_on(async { tokio::time::sleep(length).await }),
        }
    }
}

/// The null call.
pub(super) fn add(client: &EchoClient) -> Call<i64> {
    client.add(SUMMANDS.0, SUMMANDS.1)
}

/// Whether the null call was answered rightly.
pub(super) fn is_sum(answer: &i64) -> bool {
    *answer == SUMMANDS.0 + SUMMANDS.1
}
