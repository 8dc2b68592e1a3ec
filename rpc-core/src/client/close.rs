//! Closing a connection in order: flush, say goodbye, wait until both have left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::driver::Driver;
use crate::error::{Code, Error, Fate, Gone};
use crate::limits::HANDSHAKE;
use crate::session::Session;

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
    driver: Arc<Driver>,
    said: bool,
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("url", &self.driver.url()).finish_non_exhaustive()
    }
}

impl Closing {
    pub(super) fn new(driver: Arc<Driver>) -> Self {
        Closing { driver, said: false }
    }

    /// Closes and waits.
    ///
    /// # Errors
    /// `MustNotBlock` inside a runtime that would stand still; `DeadlineExceeded` if the peer takes no bytes.
    pub fn wait(mut self) -> Result<(), Error> {
        let driver = Arc::clone(&self.driver);
        let mut closed = None;
        driver.host().block(&mut || {
            let until = driver.host().now() + HANDSHAKE;
            driver.flush();
            closed = driver.wait_for(until, None, true, |session, waker| self.step(session, waker));
        })?;
        closed.ok_or_else(|| {
            driver.close_now("the peer took no bytes while the connection was closed");
            Error::new(
                Code::DeadlineExceeded,
                Fate::Unknown,
                "the peer took no bytes while the connection was closed",
            )
        })
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
        let driver = Arc::clone(&self.driver);
        driver.flush();
        if self.step(driver.session(), cx.waker()).is_some() {
            return Poll::Ready(Ok(()));
        }
        driver.rearm();
        match driver.host().attend(&driver) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}
