//! The handle of a running server: where it is reached, how it is joined, how it ends.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use farcall_core::Error;
use farcall_core::limits::SHUTDOWN_MARGIN;
use farcall_core::transport::Peer;

use super::hosting::Hosting;
use crate::wait::{Errand, Reactor, blocking};

/// What runs a server.
pub(super) enum Engine {
    /// The tasks of a runtime.
    #[cfg(feature = "tokio")]
    Runtime,
    /// Threads of its own.
    Threads(Arc<[Reactor]>),
}

impl Engine {
    /// Its own threads, if it has any.
    fn reactors(&self) -> &[Reactor] {
        match self {
            #[cfg(feature = "tokio")]
            Engine::Runtime => &[],
            Engine::Threads(reactors) => reactors,
        }
    }
}

/// A running server. Dropping it stops the server: calls in progress end, connections and listeners close. On threads the
/// listeners are closed when the drop returns; on a runtime they close with the runtime's next turn.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-handle")?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// drop(server);
/// assert!(calc.add(2, 3).wait().is_err());
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "dropping the handle stops the server"]
pub struct ServerHandle {
    hosting: Arc<Hosting>,
    urls: Vec<String>,
    engine: Engine,
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl ServerHandle {
    pub(super) fn new(hosting: Arc<Hosting>, urls: Vec<String>, engine: Engine) -> Self {
        ServerHandle { hosting, urls, engine }
    }

    /// The first URL under which the server is reached, with what the system chose (a port) filled in.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-handle-url")?;
    /// assert_eq!(server.url(), "mem:doc-handle-url");
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// The URLs under which the server is reached, in the order in which they were given.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-handle-urls")?;
    /// assert_eq!(server.urls(), ["mem:doc-handle-urls"]);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Who is connected now, and over which wire: `local:` has memory with the one and a stream with the other.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-handle-peers")?;
    /// assert_eq!(calc.add(2, 3).wait()?, 5);
    /// let peers = server.peers();
    /// assert_eq!((peers[0].transport, peers[0].pid), ("mem", Some(std::process::id())));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn peers(&self) -> Vec<Peer> {
        self.hosting.drivers().iter().map(|driver| driver.peer()).collect()
    }

    /// Waits until the server has ended: all listeners closed and all connections gone. Await it or `.wait()` for it.
    /// A server that nobody ends is waited for without end. **Cancel safety**: dropping it changes nothing.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-join")?;
    /// let join = server.join();
    /// drop(server); // or: somebody else shuts it down
    /// join.wait()?;
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn join(&self) -> Join {
        Join { hosting: Arc::clone(&self.hosting) }
    }

    /// Takes no new connections and calls, gives the calls in progress `grace` to end, then ends them. Returns by
    /// `grace` + 1 s whatever handlers and peers do. Await it or `.wait()` for it.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-shutdown")?;
    /// use std::time::Duration;
    /// server.shutdown(Duration::from_millis(100)).wait()?;
    /// assert!(calc.add(2, 3).wait().unwrap_err().fate().is_safe_to_retry());
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn shutdown(self, grace: Duration) -> Shutdown {
        Shutdown { server: self, grace }
    }

    fn close_doors(&self) {
        self.hosting.close_doors();
        for reactor in self.engine.reactors() {
            drop(reactor.give(Errand::CloseListeners));
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.close_doors();
        self.hosting.dismiss();
        self.hosting.cut();
        for reactor in self.engine.reactors() {
            drop(reactor.give(Errand::Stop));
        }
        let threads = self.engine.reactors();
        if !threads.is_empty() && !threads.iter().any(Reactor::is_here) {
            // So that the same URL can be served again at once; a handler that holds the thread is not waited for.
            let end = Instant::now() + SHUTDOWN_MARGIN;
            wait_until(Some(end), |waker| self.hosting.doors_are_closed(waker));
        }
    }
}

/// Waits for a server's end: see [`ServerHandle::join`].
///
/// ```
/// # let (server, _calc) = farcall::testkit::calculator::calculator("mem:doc-join-await")?;
/// # farcall::testkit::block_on(async {
/// let join = server.join();
/// drop(server);
/// join.await
/// # })?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "await it or wait for it"]
pub struct Join {
    hosting: Arc<Hosting>,
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Join")
    }
}

impl Join {
    /// Blocks until the server has ended.
    ///
    /// # Errors
    /// `MustNotBlock` on a thread that drives a current-thread runtime.
    pub fn wait(self) -> Result<(), Error> {
        blocking(|| {
            wait_until(None, |waker| self.hosting.is_over(waker));
            Ok(())
        })
    }
}

impl Future for Join {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.hosting.is_over(cx.waker()) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// The end of a server: see [`ServerHandle::shutdown`].
///
/// **Cancel safety**: dropped before it has begun, it ends the server at once; under tokio it goes on to its end even if its
/// future is dropped.
///
/// ```
/// # let (server, _calc) = farcall::testkit::calculator::calculator("mem:doc-shutdown-await")?;
/// # farcall::testkit::block_on(async {
/// server.shutdown(std::time::Duration::from_millis(100)).await
/// # })?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "await it or wait for it"]
#[derive(Debug)]
pub struct Shutdown {
    server: ServerHandle,
    grace: Duration,
}

impl Shutdown {
    /// Shuts the server down and blocks until that is done.
    ///
    /// # Errors
    /// `MustNotBlock` on a thread that drives a current-thread runtime; the server then ends at once.
    pub fn wait(self) -> Result<(), Error> {
        blocking(|| self.carry_out())
    }

    fn carry_out(self) -> Result<(), Error> {
        let Shutdown { server, grace } = self;
        let hosting = &server.hosting;
        let end = Instant::now() + grace;
        server.close_doors();
        hosting.drain();
        for driver in hosting.drivers() {
            wait_until(Some(end), |waker| driver.session().drained(waker).is_some());
        }
        let drivers = hosting.drivers();
        hosting.dismiss();
        // Half of the margin for the goodbyes, the rest for a busy machine.
        wait_until(Some(Instant::now() + SHUTDOWN_MARGIN / 2), |waker| hosting.is_over(waker));
        hosting.cut();
        // No descriptor outlives the server: what a caller still wrote would be taken and never answered.
        let end = Instant::now() + SHUTDOWN_MARGIN / 4;
        for driver in drivers {
            wait_until(Some(end), |waker| driver.is_unattended(waker));
        }
        drop(server);
        Ok(())
    }
}

impl IntoFuture for Shutdown {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Shuts the server down. The waiting is done on a thread where that is allowed.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { crate::wait::unblock(move || self.wait()).await })
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until `done`, or until `end`.
pub(super) fn wait_until(end: Option<Instant>, mut done: impl FnMut(&Waker) -> bool) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while !done(&waker) {
        match end.map(|end| end.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return,
            Some(left) => std::thread::park_timeout(left),
            None => std::thread::park(),
        }
    }
}
