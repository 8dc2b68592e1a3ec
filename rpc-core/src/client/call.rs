//! A call: lazy, cancellable, one type for the four styles of waiting.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::buffers;
use crate::client::course::{Course, State};
use crate::client::pool::Pooled;
use crate::client::{ClientCore, Reply};
use crate::codec::{self, Encodings};
use crate::driver::{Driver, Patience, Receive};
use crate::error::{Code, Error, Fate};
use crate::session::{Departure, Settled, Started};

/// A call of a remote method. Nothing happens until it is started, which happens at its first poll, or by
/// [`wait`](Call::wait), [`submit`](Call::submit), [`on_complete`](Call::on_complete) or [`detach`](Call::detach).
///
/// | style | how |
/// |---|---|
/// | synchronous | `.wait()` |
/// | asynchronous | `.await` |
/// | non-blocking | `.submit()`, then [`try_take`](Call::try_take) |
/// | callback | `.on_complete(f)` |
///
/// The deadline counts from the start. Dropping a started call cancels it (over a mailbox nothing is: what was put there
/// stays); a call that is polled once and then held delays no other.
///
/// **Cancel safety**: a call in a `select!` may be polled by reference and polled on; its result is not lost.
///
/// **Errors**: a method that returns `T` fails with [`Error`]; one that returns `Result<T, E>` with
/// [`CallError<E>`](crate::CallError). What can be believed about the call then says its [`Fate`].
///
/// **Panics**: never; a future that has given its result and is polled again ends with an error.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-call")?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
///
/// # farcall::testkit::block_on(async {
/// assert_eq!(calc.add(2, 3).await?, 5);
/// # Ok::<(), farcall::Error>(()) })?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "a call does nothing until it is awaited, waited for, submitted or detached"]
pub struct Call<T, E = Error> {
    pub(super) core: ClientCore,
    pub(super) course: Course,
    decode: fn(Reply<'_>) -> Result<T, E>,
    /// What is left of it while the call is polled and looks for its verdict itself.
    pub(super) patience: Option<Patience>,
    /// What a call of a pool needs to be sent again.
    pub(super) pooled: Option<Box<Pooled>>,
}

/// A call of `method` with these arguments, for generated code.
pub fn call<T, E, A: Encodings>(
    core: &ClientCore,
    method: u16,
    args: A,
    decode: fn(Reply<'_>) -> Result<T, E>,
) -> Call<T, E> {
    let mut buf = buffers::take(codec::room(args.size_hint()));
    let state = match args.encode(core.connection.handle().codec, &mut buf) {
        Ok(()) => State::Encoded(buf),
        Err(error) => State::Refused(error.into_error(Fate::NotSent)),
    };
    let deadline = core.connection.policy().deadline;
    let course = Course { method, deadline, priority: 0, state };
    Call { core: core.clone(), course, decode, patience: None, pooled: None }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.name())
            .field("state", &self.course.state)
            .finish_non_exhaustive()
    }
}

impl<T, E> Call<T, E> {
    /// The same call with this deadline, counted from its start.
    /// More than 24 h are cut to that; inside a handler it cannot outlast the handler's own call.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-deadline")?;
    /// use farcall::{Code, Fate};
    /// use std::time::Duration;
    ///
    /// let error = calc.ponder().deadline(Duration::from_millis(1)).wait().unwrap_err();
    /// assert_eq!(error.code(), Code::DeadlineExceeded);
    /// assert!(matches!(error.fate(), Fate::Started | Fate::Unknown | Fate::NotExecuted));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.course.deadline = deadline;
        self
    }

    fn name(&self) -> String {
        format!("{}.{}", self.core.descriptor.name(), self.core.descriptor.method_name(self.course.method))
    }

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

    pub(super) fn driver(&self) -> &Arc<Driver> {
        self.core.driver()
    }

    /// What was attempted, in front of why it failed.
    pub(super) fn explain(&self, error: Error) -> Error {
        let error = self.core.both_sides(self.course.method, self.doubted(error));
        let url = self.core.connection.url();
        if error.to_string().contains(url) {
            return error.context(self.name());
        }
        error.context(format_args!("{} on {url}", self.name()))
    }
}

impl<T, E: From<Error>> Call<T, E> {
    pub(super) fn finish(&self, settled: Settled) -> Result<T, E> {
        let (mut message, failed) = match settled {
            Settled::Value(message) => (message, false),
            Settled::Failed(message) => (message, true),
            Settled::Error(error) => return Err(self.explain(error).into()),
        };
        let codec = self.core.connection.handle().codec;
        let budget = self.core.connection.policy().decode_budget;
        let explain = &|error| self.explain(error);
        let result = (self.decode)(Reply { codec, message: &mut message, failed, budget, explain });
        message.recycle();
        result
    }

    /// The result of a call that is not waiting for a verdict.
    pub(super) fn refused(&mut self) -> Result<T, E> {
        match std::mem::replace(&mut self.course.state, State::Done) {
            State::Refused(error) => Err(self.explain(error).into()),
            _ => Err(Error::new(Code::Internal, Fate::Unknown, "the call's result was taken before").into()),
        }
    }

    /// Starts the call if need be and blocks until its result is there.
    ///
    /// # Errors
    /// What the call ended with; `MustNotBlock` on a thread that drives a current-thread runtime (use `.await` there):
    /// an unstarted call is then `NotSent`.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-wait")?;
    /// assert_eq!(calc.divide(1.0, 4.0).wait(), Ok(0.25));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn wait(mut self) -> Result<T, E> {
        loop {
            if let Some(result) = self.wait_here() {
                return result;
            }
        }
    }

    /// Waits on the call's connection. `None`: it is ready to be started elsewhere.
    fn wait_here(&mut self) -> Option<Result<T, E>> {
        self.choose();
        let Call { core, course, .. } = self;
        let mut settled = None;
        let blocked = core.driver().host().block(&mut || course.settle(core, &mut settled));
        if let Some(settled) = settled {
            self.course.state = State::Done;
            return (!self.ends_again(&settled)).then(|| self.finish(settled));
        }
        match blocked {
            Ok(()) => (!self.starts_again()).then(|| self.refused()),
            Err(error) => {
                let started = matches!(self.course.state, State::Started(_));
                let fate = if started { Fate::Unknown } else { Fate::NotSent };
                Some(Err(self.explain(error.with_fate(fate)).into()))
            }
        }
    }

    /// Starts the call and sends it at once; ask for its result with [`try_take`](Call::try_take), `.wait()` or
    /// `.await`.
    ///
    /// What keeps it from being started is its result.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-submit")?;
    /// let sum = calc.add(2, 3).submit();
    /// let other = calc.add(4, 5).submit();
    /// assert_eq!((sum.wait()?, other.wait()?), (5, 9));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn submit(mut self) -> Self {
        self.send();
        self
    }

    /// Starts the call unless it has been started, and sends it if whoever was to send it has not come to it.
    fn send(&mut self) {
        match (self.start(None, Departure::AtOnce, false), &self.course.state) {
            (Some(started), _) => self.driver().flush_at(started.at),
            (None, State::Started(_)) => self.driver().flush(),
            (None, _) => {}
        }
    }

    /// The result, if it is there: without blocking, and without anybody else reading for this connection. Starts the
    /// call if need be. After it has given the result, the call is spent.
    ///
    /// # Errors
    /// What the call ended with; `Internal` once it is spent.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-try-take")?;
    /// let mut call = calc.add(2, 3).submit();
    /// let sum = loop {
    ///     match call.try_take() {
    ///         Some(result) => break result?,
    ///         None => std::thread::yield_now(),
    ///     }
    /// };
    /// assert_eq!(sum, 5);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn try_take(&mut self) -> Option<Result<T, E>> {
        if let Some(started) = self.start(None, Departure::AtOnce, false) {
            self.driver().flush_at(started.at);
        }
        let State::Started(token) = self.course.state else { return Some(self.refused()) };
        let driver = Arc::clone(self.driver());
        let settled = driver.session().try_take(token).or_else(|| driver.look_in(token))?;
        self.course.state = State::Done;
        if self.ends_again(&settled) {
            return self.try_take();
        }
        Some(self.finish(settled))
    }

    /// Starts the call and runs `f` with its result on the process's helper thread, which is started when it is first
    /// needed. `f` must not block.
    ///
    /// # Errors
    /// The helper thread cannot be had; the call is cancelled.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-on-complete")?;
    /// let (tx, rx) = std::sync::mpsc::channel();
    /// calc.add(2, 3).on_complete(move |result| tx.send(result).expect("somebody listens"))?;
    /// assert_eq!(rx.recv().expect("the callback has run"), Ok(5));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn on_complete(mut self, f: impl FnOnce(Result<T, E>) + Send + 'static) -> Result<(), Error>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.send();
        let host = Arc::clone(self.driver().host());
        host.call_back(Box::pin(async move { f(self.await) }))
    }

    /// Starts the call, sends it, and leaves it to itself: it is not cancelled, its result is for nobody. Beyond the
    /// peer's window it waits; where nobody reads for the connection, the next call on it sends it. Closing the
    /// connection waits for its verdict; dropping the last handle does not, and ends a handler that is pending.
    ///
    /// Over a mailbox closing waits until it is put, and a server finishes it whatever becomes of the caller. One that finds
    /// the mailbox full waits in the caller: it is lost, and nobody is told, if there is no room until its deadline or until the
    /// last handle is dropped; with `?full=fail` it is refused here and now.
    ///
    /// # Errors
    /// It could not be started, or too many such calls wait for credit, or the mailbox is full (`Overloaded`); `NotSent`.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-detach")?;
    /// calc.add(2, 3).detach()?;
    /// assert_eq!(calc.add(4, 5).wait()?, 9); // handed over after the other
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn detach(mut self) -> Result<(), Error> {
        self.start(None, Departure::WithOthers, false);
        let started = matches!(self.course.state, State::Started(_));
        let result = match std::mem::replace(&mut self.course.state, State::Done) {
            State::Started(token) => self.leave(token),
            State::Refused(error) => Err(error),
            State::Encoded(_) | State::Done => Ok(()),
        };
        if started {
            self.driver().flush();
            // Who only detaches never reads the credit that comes back.
            if self.driver().session().is_short_of_credit() {
                self.driver().touch();
            }
        }
        result.map_err(|error| self.explain(error))
    }
}

impl<T, E> Drop for Call<T, E> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.course.state, State::Done) {
            State::Started(token) => {
                if self.driver().session().abandon(token) {
                    self.driver().flush_soon();
                }
            }
            State::Encoded(buf) => buffers::give(buf),
            State::Refused(_) | State::Done => {}
        }
    }
}
