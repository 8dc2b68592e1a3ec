//! The connecting side: a builder that is a future and can also be waited for.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::client::{Attach, Connection};
use farcall_core::codec::Codec;
use farcall_core::driver::Waiting;
use farcall_core::proto::WhenFull;
use farcall_core::{Code, Error, Fate, Service, Trust};

use super::address::{Address, addresses, find};
use super::check::{Agreement, Check};
use super::dial::Dial;
use super::options::{MOST_COPIES, Options};
use super::pool::{Choice, Gathering};
use crate::Url;

/// Connects to `url`. `C` is a generated client, or [`Connection`] to open several services on one connection.
///
/// A bare name such as `calculator` stands for the URL that `FARCALL_CALCULATOR` or `farcall.toml` gives it (feature
/// `config`); of several the first that answers is taken. Both are read each time. The README has the keys.
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
    Connect::to(vec![url.into()], None)
}

/// Connects to all of these at the same time, over any wires, and spreads calls over them: each goes to the less busy of two
/// chosen at random. It is enough if one of them answers in the beginning: the others then have a quarter of a second to
/// be there from the first call on. A connection that ends is made again, at growing intervals up to 10 s, as a thread of the
/// pool's own sees to; `?restart=` in its URL says when. While there is none, calls fail at once.
///
/// Every 2 s each is pinged. One that has not answered by the next time takes calls only if the others do not answer either;
/// without calls it is given up after 20 s.
///
/// A call that provably did not run where it was sent goes to another, within its deadline; one that may have run is sent
/// again, twice at most, only if its method is `#[idempotent]`. Only failures of the connection count, not the call's own. `url()`, `peer()` and the like speak of the first.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// let one = farcall::serve("mem:doc-pool-1", CalculatorServer::new(Calc)).wait()?;
/// let other = farcall::serve("mem:doc-pool-2", CalculatorServer::new(Calc)).wait()?;
/// let calc: CalculatorClient = farcall::pool([one.url(), other.url()]).wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// drop(one);
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn pool<C: Attach>(urls: impl IntoIterator<Item = impl Into<String>>) -> Connect<C> {
    Connect::to(urls.into_iter().map(Into::into).collect(), Some(Choice::TwoAtRandom))
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
    urls: Vec<String>,
    /// All of them, instead of the first that answers.
    pool: Option<Choice>,
    options: Options,
    offers: Vec<Arc<dyn Service>>,
    client: PhantomData<fn() -> C>,
}

impl<C> fmt::Debug for Connect<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("urls", &self.urls)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<C> Connect<C> {
    fn to(urls: Vec<String>, pool: Option<Choice>) -> Self {
        Connect { urls, pool, options: Options::default(), offers: Vec::new(), client: PhantomData }
    }

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

    /// Compares every method with the peer's before the client is given away, which takes one more turn of the peer.
    /// `?check=strict`; by default (`lazy`) a method whose arguments or results have another shape at the peer fails alone,
    /// when it is called.
    ///
    /// ```
    /// #[farcall::service]
    /// trait Calculator {
    ///     async fn add(&self, a: i64, b: i32) -> i64;
    /// }
    ///
    /// # fn main() -> Result<(), farcall::Error> {
    /// # use farcall::Code;
    /// # let (server, _calc) = farcall::testkit::calculator::calculator("mem:doc-check-strict")?;
    /// let error = farcall::connect::<CalculatorClient>(server.url()).check_strict().wait().unwrap_err();
    /// assert_eq!(error.code(), Code::SchemaMismatch);
    /// assert!(error.to_string().ends_with("Calculator.add: argument b is i32 here, i64 there"));
    /// # Ok(()) }
    /// ```
    pub fn check_strict(mut self) -> Self {
        self.options.check = Some(Check::Strict);
        self
    }

    /// How the connection waits: `?wait=auto|spin|park`, [`Waiting::Auto`] by default.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.options.waiting = Some(waiting);
        self
    }

    /// Serves `service` to the peer on the same connection, so that its handlers can call back. Over a `mailbox:`, which
    /// carries no calls back, it makes connecting fail (`Unsupported`).
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

    /// What to try, in order, every option checked: each is one dial, or several that make a pool.
    fn attempts(self, addresses: Vec<Address>) -> Result<Vec<Attempt>, Error> {
        let dial = |address| Dial::new(address, self.options, self.offers.clone());
        let dials = addresses.into_iter().map(dial).collect::<Result<Vec<_>, _>>()?;
        Ok(match self.pool {
            Some(choice) => {
                let dials: Vec<_> = dials.into_iter().flat_map(Dial::multiplied).collect();
                if !(1..=usize::from(MOST_COPIES)).contains(&dials.len()) {
                    let text =
                        format!("a pool has 1 to {} connections; here it has {}", MOST_COPIES, dials.len());
                    return Err(Error::config(text));
                }
                vec![Attempt::Pool(dials, choice)]
            }
            None => dials.into_iter().map(Attempt::of).collect(),
        })
    }
}

/// One thing to try.
enum Attempt {
    One(Box<Dial>),
    Pool(Vec<Dial>, Choice),
}

impl Attempt {
    fn of(dial: Dial) -> Self {
        if dial.is_pool() {
            Attempt::Pool(dial.multiplied(), Choice::LeastBusy)
        } else {
            Attempt::One(Box::new(dial))
        }
    }

    /// The URL, if the peer's shapes are to be compared at once. A pool compares when a connection gets its first call.
    fn strict(&self) -> Option<Url> {
        match self {
            Attempt::One(dial) => dial.strict(),
            Attempt::Pool(..) => None,
        }
    }

    fn wait(self) -> Result<Connection, Error> {
        match self {
            Attempt::One(dial) => dial.wait(),
            Attempt::Pool(dials, choice) => Gathering::start(
                dials,
                choice,
                #[cfg(feature = "tokio")]
                None,
            )?
            .wait(),
        }
    }

    async fn connect(self) -> Result<Connection, Error> {
        match self {
            Attempt::One(dial) => dial.connect().await,
            Attempt::Pool(dials, choice) => {
                Gathering::start(
                    dials,
                    choice,
                    #[cfg(feature = "tokio")]
                    crate::wait::Runtime::current(),
                )?
                .gathered()
                .await
            }
        }
    }
}

/// Whether the next URL of a name is tried after this error: a mistake of the program or its configuration stays one.
fn goes_on(error: &Error) -> bool {
    !matches!(error.code(), Code::InvalidConfig | Code::MustNotBlock)
}

/// Why none of several URLs answers, in the words of all.
fn none_answers(errors: Vec<Error>) -> Error {
    let sentences: Vec<_> = errors.iter().map(Error::to_string).collect();
    match errors.last() {
        Some(last) if errors.len() > 1 => Error::new(last.code(), Fate::NotSent, sentences.join("; ")),
        Some(only) => only.clone(),
        None => Error::config("there is no URL to connect to"),
    }
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
        let mut found = Vec::new();
        for url in &self.urls {
            found.extend(addresses(url)?);
        }
        let mut errors = Vec::new();
        for attempt in self.attempts(found)? {
            let strict = attempt.strict();
            match attempt.wait() {
                Ok(connection) => {
                    let client = C::attach(connection)?;
                    if let Some(agreement) = strict.as_ref().and_then(|url| Agreement::wanted(&client, url)) {
                        agreement.wait()?;
                    }
                    return Ok(client);
                }
                Err(error) if goes_on(&error) => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(none_answers(errors))
    }
}

impl<C: Attach + Send + 'static> IntoFuture for Connect<C> {
    type Output = Result<C, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Connects. Dropped before its end, it leaves nothing behind.
    ///
    /// Under tokio the connection is attended by a task of the current runtime, elsewhere by one helper thread of the
    /// process; what blocks (looking up a host's name, starting a program, the rendezvous of a wire) is done on a thread of its
    /// own.
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
            let mut found = Vec::new();
            for url in &self.urls {
                found.extend(find(url).await?);
            }
            let mut errors = Vec::new();
            for attempt in self.attempts(found)? {
                let strict = attempt.strict();
                match attempt.connect().await {
                    Ok(connection) => {
                        let client = C::attach(connection)?;
                        if let Some(agreement) =
                            strict.as_ref().and_then(|url| Agreement::wanted(&client, url))
                        {
                            agreement.reached().await?;
                        }
                        return Ok(client);
                    }
                    Err(error) if goes_on(&error) => errors.push(error),
                    Err(error) => return Err(error),
                }
            }
            Err(none_answers(errors))
        })
    }
}
