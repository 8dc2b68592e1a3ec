//! The connecting side: a builder that is a future and can also be waited for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use farcall_core::client::{Attach, Connection};
use farcall_core::codec::Codec;
use farcall_core::driver::{self, Driver, Parts, Waiting};
use farcall_core::limits::{DEFAULT_WORKERS, HANDSHAKE};
use farcall_core::proto::{Machine, Role, WhenFull};
use farcall_core::server::{Load, Router};
use farcall_core::session::Session;
use farcall_core::transport::Link;
use farcall_core::{Code, Error, Fate, Gone, Service, Trust};

use super::options::Options;
use crate::wait::{self, Home, Local, Workers};
use crate::{Url, registry};

/// Connects to `url`. `C` is a generated client, or [`Connection`] to open several services on one connection.
///
/// Await it, or [`wait`](Connect::wait) for it where no runtime is. Options are builder methods and URL queries; the URL's
/// word is the stronger one.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// let server = farcall::serve("mem:doc-connect", CalculatorServer::new(Calc)).wait()?;
/// let calc: CalculatorClient = farcall::connect("mem:doc-connect?deadline=2s").wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn connect<C: Attach>(url: impl Into<String>) -> Connect<C> {
    Connect { url: url.into(), options: Options::default(), offers: Vec::new(), client: PhantomData }
}

/// A connection to be made: see [`connect`].
///
/// Values out of range are refused when it is awaited or waited for, by `InvalidConfig`.
///
/// ```
/// # let (server, _calc) = farcall::testkit::calculator::calculator("mem:doc-connect-options")?;
/// # use farcall::testkit::calculator::CalculatorClient;
/// use std::time::Duration;
///
/// let calc = farcall::connect::<CalculatorClient>(server.url())
///     .deadline(Duration::from_secs(2))
///     .max_message(1 << 20) // bytes
///     .window(16) // calls
///     .fail_when_full()
///     .codec(farcall::Codec::Bincode)
///     .decode_budget(4 << 20) // bytes
///     .wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "nothing is connected before this is awaited or waited for"]
pub struct Connect<C> {
    url: String,
    options: Options,
    offers: Vec<Arc<dyn Service>>,
    client: PhantomData<fn() -> C>,
}

impl<C> fmt::Debug for Connect<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("url", &self.url)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What is settled before the link is made.
struct Plan {
    url: Url,
    options: Options,
    offers: Vec<Arc<dyn Service>>,
    /// Whether a runtime reads for this side all the time.
    attended: bool,
}

impl<C> Connect<C> {
    /// The deadline of each call, unless handle or call says otherwise. `?deadline=`, 30 s by default, at most 24 h.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = Some(deadline);
        self
    }

    /// The largest message that this side takes, in bytes. `?max_message=`, 16 MiB by default.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.options.max_message = Some(bytes);
        self
    }

    /// How many calls of the peer this side takes at once. `?window=`, 256 by default.
    pub fn window(mut self, calls: u32) -> Self {
        self.options.window = Some(calls);
        self
    }

    /// Calls fail at once when as many are in flight as the peer takes. `?full=fail`; by default they wait.
    pub fn fail_when_full(mut self) -> Self {
        self.options.full = Some(WhenFull::Fail);
        self
    }

    /// The codec of arguments and results. `?codec=`, bincode by default.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.options.codec = Some(codec);
        self
    }

    /// What is believed of the other side, on wires where that changes something (`shm:`, `local:`). `?trust=`, `same-user`
    /// by default; of URL, builder and the other side's word the most careful counts.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.options.trust = Some(trust);
        self
    }

    /// What decoding one message may allocate, in bytes. `?decode_budget=`, by default 32 times the message within 1 MiB
    /// and 64 MiB.
    pub fn decode_budget(mut self, bytes: usize) -> Self {
        self.options.decode_budget = Some(bytes);
        self
    }

    /// How the connection waits: `?wait=auto|spin|park`, [`Waiting::Auto`] by default.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.options.waiting = Some(waiting);
        self
    }

    /// Serves `service` to the peer on the same connection, so that its handlers can call back.
    ///
    /// ```
    /// #[farcall::service]
    /// trait Pupil {
    ///     async fn name(&self) -> String;
    /// }
    ///
    /// #[farcall::service]
    /// trait Teacher {
    ///     /// Asks whoever calls for a name.
    ///     async fn greet(&self) -> String;
    /// }
    ///
    /// struct Anna;
    /// impl Pupil for Anna {
    ///     async fn name(&self) -> String {
    ///         "Anna".to_owned()
    ///     }
    /// }
    ///
    /// struct School;
    /// impl Teacher for School {
    ///     async fn greet(&self) -> String {
    ///         let connection = farcall::context().connection().expect("a call came on it");
    ///         let pupil: PupilClient = connection.open().expect("the connection lives");
    ///         format!("hello, {}", pupil.name().await.expect("she answers"))
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), farcall::Error> {
    /// let server = farcall::serve("mem:doc-offer", TeacherServer::new(School)).wait()?;
    /// let teacher = farcall::connect::<TeacherClient>("mem:doc-offer").offer(PupilServer::new(Anna)).wait()?;
    /// assert_eq!(teacher.greet().wait()?, "hello, Anna");
    /// # Ok(()) }
    /// ```
    pub fn offer(mut self, service: impl Service) -> Self {
        self.offers.push(Arc::new(service));
        self
    }

    fn plan(self, attended: bool) -> Result<(Plan, crate::Query), Error> {
        let url = Url::parse(&self.url)?;
        let mut query = url.query();
        let options = self.options.for_client(&url, &mut query)?;
        Ok((Plan { url, options, offers: self.offers, attended }, query))
    }
}

impl Plan {
    fn link(&self, query: &mut crate::Query) -> Result<Box<dyn Link>, Error> {
        registry::connect(&self.url, query)
    }

    fn driver(&self, link: Box<dyn Link>, home: Home) -> Arc<Driver> {
        let capabilities = link.capabilities();
        let config = self.options.config(Role::Connecting, self.attended, capabilities.needs_ping);
        let mut machine = Machine::new(config, wait::now());
        if capabilities.survives_peer {
            // There is no peer at the other end, but a link that plays its part.
            machine.believe_link();
        }
        // A client without services still answers an `Open`, in words.
        let router = Router::new(self.offers.clone().into(), Load::default(), self.options.decode_budget);
        let dispatch = if self.attended { driver::Home::Attendants } else { driver::Home::Anyone };
        Driver::new(Parts {
            session: Session::new(machine),
            link,
            host: Local::host(home),
            server: Some(Arc::new(router)),
            home: dispatch,
            waiting: self.options.waiting.unwrap_or_default(),
            url: self.url.to_string(),
        })
    }

    fn finish<C: Attach>(&self, driver: Arc<Driver>, ready: Option<Result<(), Error>>) -> Result<C, Error> {
        match ready {
            Some(Ok(())) => C::attach(Connection::owning(driver, self.options.policy())?),
            Some(Err(error)) if error.code() != Code::PeerGone(Gone::ReadStall) => {
                Err(refused(&self.url, error))
            }
            // The machine and this side have the same patience.
            Some(Err(_)) | None => {
                driver.close_now("the peer did not say hello");
                let text = format!(
                    "{}: no answer within {HANDSHAKE:?}; is a Farcall server running there?",
                    self.url
                );
                Err(Error::new(Code::Unavailable, Fate::NotSent, text))
            }
        }
    }
}

/// A failure before the first call, with the URL in front unless the link has put it there.
fn refused(url: &Url, error: Error) -> Error {
    let error = error.with_fate(Fate::NotSent);
    if error.to_string().contains(&url.to_string()) { error } else { error.context(url) }
}

impl<C: Attach> Connect<C> {
    /// Connects and blocks until the peer has said hello, for 5 s at most. No thread is started; afterwards the
    /// connection is read by whoever waits for a call on it.
    ///
    /// # Errors
    /// `InvalidConfig` for a wrong URL or option, `Unavailable` and others for what is at the address, `MustNotBlock` on a
    /// thread that drives a current-thread runtime. Nothing was called.
    ///
    /// ```
    /// use farcall::{Code, Connection, Fate};
    /// let error = farcall::connect::<Connection>("mem:doc-nobody-here").wait().unwrap_err();
    /// assert_eq!((error.code(), error.fate()), (Code::Unavailable, Fate::NotSent));
    /// ```
    pub fn wait(self) -> Result<C, Error> {
        let (plan, mut query) = self.plan(false)?;
        let link = if registry::may_block(&plan.url) {
            wait::blocking(|| plan.link(&mut query))?
        } else {
            plan.link(&mut query)?
        };
        let driver = plan.driver(link, Home::Client(Workers::new(DEFAULT_WORKERS)));
        let mut ready = None;
        let until = wait::now() + HANDSHAKE;
        let host = Arc::clone(driver.host());
        host.block(&mut || {
            driver.flush();
            ready = driver.wait_for(until, None, true, |session, waker| session.ready(waker));
        })?;
        plan.finish(driver, ready)
    }
}

impl<C: Attach + Send + 'static> IntoFuture for Connect<C> {
    type Output = Result<C, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Connects. Dropped before its end, it leaves nothing behind.
    ///
    /// Under tokio the connection is attended by a task of the current runtime, elsewhere by one helper thread of the
    /// process.
    ///
    /// ```
    /// # use farcall::testkit::calculator::CalculatorClient;
    /// # let (server, _calc) = farcall::testkit::calculator::calculator("mem:doc-connect-await")?;
    /// # farcall::testkit::block_on(async {
    /// let calc: CalculatorClient = farcall::connect(server.url()).await?;
    /// assert_eq!(calc.add(2, 3).await?, 5);
    /// # Ok::<(), farcall::Error>(()) })?;
    /// # Ok::<(), farcall::Error>(())
    /// ```
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (mut plan, mut query) = self.plan(true)?;
            let (link, home);
            #[cfg(feature = "tokio")]
            match wait::Runtime::current() {
                Some(runtime) => {
                    if registry::may_block(&plan.url) {
                        let url = plan.url.clone();
                        link = wait::unblock(move || registry::connect(&url, &mut query)).await?;
                    } else {
                        link = plan.link(&mut query)?;
                    }
                    home = Home::Runtime(runtime);
                }
                None => {
                    (link, home) = (plan.link(&mut query)?, Home::Client(Workers::new(DEFAULT_WORKERS)));
                }
            }
            #[cfg(not(feature = "tokio"))]
            {
                (link, home) = (plan.link(&mut query)?, Home::Client(Workers::new(DEFAULT_WORKERS)));
            }
            // The helper thread attends as a runtime does.
            plan.attended = true;
            let driver = plan.driver(link, home);
            let guard = Unfinished(Some(Arc::clone(&driver)));
            let ready = say_hello(&driver).await;
            drop(guard.disarm());
            plan.finish(driver, Some(ready))
        })
    }
}

/// Ends a connection whose making was given up.
struct Unfinished(Option<Arc<Driver>>);

impl Unfinished {
    fn disarm(mut self) -> Option<Arc<Driver>> {
        self.0.take()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.close_now("the connection was given up before the peer had said hello");
        }
    }
}

/// Waits for the peer's hello. The machine itself gives up after 5 s.
async fn say_hello(driver: &Arc<Driver>) -> Result<(), Error> {
    driver.host().attend(driver)?;
    driver.flush();
    std::future::poll_fn(|cx| {
        if let Some(ready) = driver.session().ready(cx.waker()) {
            return Poll::Ready(ready);
        }
        match driver.host().attend(driver) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await
}
