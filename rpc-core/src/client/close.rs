//! Closing a connection in order: flush, say goodbye, wait until both have left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::client::{Member, Pool};
use crate::driver::Driver;
use crate::error::{Code, Error, Fate, Gone};
use crate::limits::HANDSHAKE;
use crate::session::Session;
use crate::time::Time;

/// A connection that is being closed: a future, or [`wait`](Closing::wait). It starts when it is polled or waited for.
///
/// **Cancel safety**: dropped before its end, it leaves the connection open or on its way to its end; close again.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-closing")?;
/// use farcall::Client;
/// # farcall::testkit::block_on(async {
/// calc.close().await
/// # })?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "nothing is closed before this is awaited or waited for"]
pub struct Closing {
    first: Arc<Driver>,
    /// Whose connections are closed as well, once this has begun.
    pool: Option<Arc<dyn Pool>>,
    /// Kept until all have left.
    members: Vec<Arc<Member>>,
    partings: Vec<Parting>,
}

/// One connection that is being closed.
struct Parting {
    driver: Arc<Driver>,
    said: bool,
    over: bool,
}

/// While several connections are waited for by one thread, it reads for each in turn for so long.
const SLICE: Duration = Duration::from_millis(10);

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("url", &self.first.url()).finish_non_exhaustive()
    }
}

impl Closing {
    pub(super) fn new(first: Arc<Driver>, pool: Option<Arc<dyn Pool>>) -> Self {
        Closing { first, pool, members: Vec::new(), partings: Vec::new() }
    }

    /// The connections that have not left yet, which have sent what they could.
    fn begin(&mut self) -> impl Iterator<Item = &mut Parting> {
        if let Some(pool) = self.pool.take() {
            self.members = pool.close();
        }
        if self.partings.is_empty() {
            let others = self.members.iter().map(|member| member.driver());
            let others = others.filter(|driver| !Arc::ptr_eq(driver, &self.first));
            let drivers = std::iter::once(&self.first).chain(others);
            let parting = |driver| Parting { driver: Arc::clone(driver), said: false, over: false };
            self.partings = drivers.map(parting).collect();
        }
        let staying = self.partings.iter_mut().filter(|parting| !parting.over);
        staying.inspect(|parting| parting.driver.flush())
    }

    /// Closes and waits.
    ///
    /// # Errors
    /// `MustNotBlock` inside a runtime that would stand still; `DeadlineExceeded` if the peer takes no bytes.
    pub fn wait(mut self) -> Result<(), Error> {
        let host = Arc::clone(self.first.host());
        let mut left = Vec::new();
        host.block(&mut || {
            let until = host.now() + HANDSHAKE;
            loop {
                // All of them say goodbye before any of them is waited for.
                left = self.begin().filter_map(Parting::look).collect::<Vec<_>>();
                if left.is_empty() || host.now() >= until {
                    break;
                }
                let slice = if left.len() == 1 { HANDSHAKE } else { SLICE };
                for parting in self.partings.iter_mut().filter(|parting| !parting.over) {
                    parting.wait(until.min(host.now() + slice));
                }
            }
        })?;
        let late = "the peer took no bytes while the connection was closed";
        left.iter().for_each(|driver| driver.close_now(late));
        match left.is_empty() {
            true => Ok(()),
            false => Err(Error::new(Code::DeadlineExceeded, Fate::Unknown, late)),
        }
    }
}

impl Parting {
    /// Its driver, unless it has left.
    fn look(&mut self) -> Option<Arc<Driver>> {
        let driver = Arc::clone(&self.driver);
        self.over = self.step(driver.session(), Waker::noop()).is_some();
        (!self.over).then_some(driver)
    }

    /// Waits until it has left, or until then.
    fn wait(&mut self, until: Time) {
        let driver = Arc::clone(&self.driver);
        let left = driver.wait_for(until, None, true, |session, waker| self.step(session, waker));
        self.over = left.is_some();
    }

    fn step(&mut self, session: &Session, waker: &Waker) -> Option<()> {
        if !self.said {
            session.flushed(waker)?;
            self.said = true;
            let error =
                Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, "the connection was closed");
            session.close(&error);
            self.driver.flush();
        }
        session.over(waker).map(|_| ())
    }
}

impl Future for Closing {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for parting in self.begin() {
            let driver = Arc::clone(&parting.driver);
            parting.over = parting.step(driver.session(), cx.waker()).is_some();
            if !parting.over
                && let Err(error) = driver.host().attend(&driver)
            {
                return Poll::Ready(Err(error));
            }
        }
        if self.partings.iter().all(|parting| parting.over) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}
