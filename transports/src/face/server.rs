//! The serving side: services and URLs gathered in a builder that is a future and can also be waited for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use farcall_core::driver::Waiting;
use farcall_core::limits::DEFAULT_WORKERS;
use farcall_core::{Error, Service, Trust};

use super::address::{addresses, reads_a_file};
use super::check::servable;
use super::handle::ServerHandle;
use super::hosting::Hosting;
use super::opened::{Door, Opened};
use super::options::{Options, within};
use super::threads;
use crate::Url;
use crate::registry;
#[cfg(feature = "tokio")]
use crate::wait::Runtime;
use crate::wait::{blocking, unblock};

/// Threads that `?threads=` may ask for.
const MAX_THREADS: usize = 256;

/// Threads that `?workers=` may ask for.
const MAX_WORKERS: usize = 4_096;

/// Serves `service` at `url`: the same as `Server::new().add(service).listen(url)`.
///
/// A bare name such as `calculator` stands for every URL that `FARCALL_CALCULATOR` or `farcall.toml` gives it (feature
/// `config`).
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// let server = farcall::serve("tcp://127.0.0.1:0", CalculatorServer::new(Calc)).wait()?;
/// let calc: CalculatorClient = farcall::connect(server.url()).wait()?; // with the port that the system chose
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn serve(url: impl Into<String>, service: impl Service) -> Server {
    Server::new().add(service).listen(url)
}

/// Several services on several wires, to be started by [`start`](Server::start), by `.await` or by
/// [`wait`](Server::wait).
///
/// Values out of range are refused when it is started, by `InvalidConfig`. Dropped before its start has ended, it serves
/// nothing.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorServer};
/// let server = farcall::Server::new()
///     .add(CalculatorServer::new(Calc))
///     .listen("mem:doc-server")
///     .listen("tcp://127.0.0.1:0?window=16")
///     .max_message(1 << 20) // bytes
///     .window(64) // calls
///     .decode_budget(4 << 20) // bytes
///     .threads(2)
///     .workers(4)
///     .start()
///     .wait()?;
/// assert_eq!(server.urls().len(), 2);
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "nothing is served before this is awaited or waited for"]
#[derive(Default)]
pub struct Server {
    services: Vec<Arc<dyn Service>>,
    urls: Vec<String>,
    options: Options,
    threads: Option<usize>,
    workers: Option<usize>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("urls", &self.urls)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server of nothing, nowhere.
    pub fn new() -> Self {
        Server::default()
    }

    /// Serves this as well. Its name must not be served already.
    #[expect(
        clippy::should_implement_trait,
        reason = "two arguments of different kinds: nobody takes it for `+`"
    )]
    pub fn add(mut self, service: impl Service) -> Self {
        self.services.push(Arc::new(service));
        self
    }

    /// Listens here as well.
    pub fn listen(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// The largest message taken, in bytes. `?max_message=`, 16 MiB by default.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.options.max_message = Some(bytes);
        self
    }

    /// How many calls of one connection are taken at once. `?window=`, 256 by default.
    pub fn window(mut self, calls: u32) -> Self {
        self.options.window = Some(calls);
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

    /// How connections wait for more once something has come. `?wait=auto|spin|park`, [`Waiting::Auto`] by default.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.options.waiting = Some(waiting);
        self
    }

    /// Threads that serve when the server is started by [`wait`](Server::wait). `?threads=`, 1 by default.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Threads for `#[blocking]` handlers when the server is started by [`wait`](Server::wait). `?workers=`, 64 by
    /// default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The same, in words that read well at the end of a chain: await or wait for what this gives.
    ///
    /// ```
    /// # use farcall::testkit::calculator::{Calc, CalculatorServer};
    /// let services = farcall::Server::new().add(CalculatorServer::new(Calc));
    /// let handle = services.listen("mem:doc-start").start().wait()?;
    /// # drop(handle);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn start(self) -> Starting {
        Starting(self)
    }

    /// Starts the server on threads of its own and gives its handle.
    ///
    /// # Errors
    /// `InvalidConfig` for a wrong URL or option or a service that is there twice; `MustNotBlock` on a thread that drives a
    /// current-thread runtime; what the wires say.
    ///
    /// ```
    /// use farcall::{Code, Server};
    /// let error = Server::new().wait().unwrap_err();
    /// assert_eq!(error.code(), Code::InvalidConfig); // it listens nowhere
    /// ```
    pub fn wait(self) -> Result<ServerHandle, Error> {
        blocking(|| threads::start(self.open()?))
    }

    fn may_block(&self) -> bool {
        let may_block =
            |url: &String| reads_a_file(url) || Url::parse(url).is_ok_and(|url| registry::may_block(&url));
        self.urls.iter().any(may_block)
    }

    fn open(self) -> Result<Opened, Error> {
        if self.urls.is_empty() {
            return Err(Error::config("the server listens nowhere; give it a URL with `listen`"));
        }
        for (at, service) in self.services.iter().enumerate() {
            let name = service.descriptor().name();
            if self.services[..at].iter().any(|other| other.descriptor().name() == name) {
                return Err(Error::config(format!(
                    "the service {name} is added twice; give one another name"
                )));
            }
        }
        within("threads", self.threads, &(1..=MAX_THREADS))?;
        within("workers", self.workers, &(1..=MAX_WORKERS))?;
        let (mut threads, mut workers) = (self.threads.unwrap_or(1), self.workers.unwrap_or(DEFAULT_WORKERS));
        let mut doors = Vec::new();
        for url in &self.urls {
            for address in addresses(url)? {
                let (options, mut query) = address.for_server(self.options)?;
                threads = query.take_number("threads", 1..=MAX_THREADS)?.unwrap_or(threads);
                workers = query.take_number("workers", 1..=MAX_WORKERS)?.unwrap_or(workers);
                let listener = registry::listen(&address.url, &mut query);
                let listener = listener.map_err(|error| address.explain(error))?;
                servable(&self.services, &*listener)?;
                doors.push(Door { listener, options });
            }
        }
        let urls = doors.iter().map(|door| door.listener.local_url()).collect();
        let hosting = Hosting::new(self.services, doors.len());
        Ok(Opened { doors, hosting, urls, threads, workers })
    }
}

/// A server to be started: see [`Server::start`].
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorServer};
/// # farcall::testkit::block_on(async {
/// let starting = farcall::serve("mem:doc-starting", CalculatorServer::new(Calc)).start();
/// let handle = starting.await?;
/// # drop(handle);
/// # Ok::<(), farcall::Error>(()) })?;
/// # Ok::<(), farcall::Error>(())
/// ```
#[must_use = "nothing is served before this is awaited or waited for"]
#[derive(Debug)]
pub struct Starting(Server);

impl Starting {
    /// See [`Server::wait`].
    ///
    /// # Errors
    /// As [`Server::wait`].
    pub fn wait(self) -> Result<ServerHandle, Error> {
        self.0.wait()
    }
}

impl IntoFuture for Starting {
    type Output = Result<ServerHandle, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.into_future()
    }
}

impl IntoFuture for Server {
    type Output = Result<ServerHandle, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Starts the server on the current tokio runtime; outside one, on threads of its own.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            #[cfg(feature = "tokio")]
            if let Some(runtime) = Runtime::current() {
                let opened =
                    if self.may_block() { unblock(move || self.open()).await? } else { self.open()? };
                return super::tokio::start(opened, &runtime);
            }
            if self.may_block() { unblock(move || self.wait()).await } else { self.wait() }
        })
    }
}
