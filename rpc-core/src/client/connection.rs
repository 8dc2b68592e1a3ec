//! Handles: a connection, and the clients that are opened on it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Closing, Member, Pool};
use crate::codec::Codec;
use crate::driver::Driver;
use crate::error::{Error, Fate};
use crate::fits;
use crate::service::ServiceDescriptor;
use crate::shape::Shapes;
use crate::transport::Peer;

/// What holds for all calls of a handle, unless a call says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Time from a call's start until its caller stops waiting.
    pub deadline: Duration,
    /// What decoding one result may allocate, in bytes; `None`: 32 times its size, within bounds.
    pub decode_budget: Option<usize>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { deadline: crate::limits::DEFAULT_DEADLINE, decode_budget: None }
    }
}

/// Shared by all handles of one connection; the last one closes it.
pub(super) struct Handle {
    pub(super) driver: Arc<Driver>,
    pub(super) codec: Codec,
    /// A handle lent to a handler does not close what it does not own.
    owns: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.owns {
            self.driver.close_now("the last handle of the connection was dropped");
        }
    }
}

/// A connection to a peer, on which clients of several services can be opened.
///
/// Cheap to clone. When the last handle, client and pending call of a connection is gone, it is flushed once and closed.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection")?;
/// # use farcall::testkit::calculator::CalculatorClient;
/// use farcall::Connection;
///
/// let connection: Connection = farcall::connect(server.url()).wait()?;
/// let calc: CalculatorClient = connection.open()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
#[derive(Clone)]
pub struct Connection {
    handle: Arc<Handle>,
    policy: Policy,
    /// Calls choose their connection among these when they start.
    pool: Option<Arc<dyn Pool>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Connection {
    /// The owning handle of a driver whose peer has said hello.
    ///
    /// # Errors
    /// The session's codec is not part of this build.
    pub fn owning(driver: Arc<Driver>, policy: Policy) -> Result<Self, Error> {
        let name = driver.session().codec();
        let Some(codec) = Codec::from_name(&name) else {
            return Err(Error::config(format!("{}: this build has no codec {name}", driver.url())));
        };
        Ok(Connection { handle: Arc::new(Handle { driver, codec, owns: true }), policy, pool: None })
    }

    /// A connection whose calls are spread over a pool; everything else is asked of `member`.
    pub fn pooled(member: &Member, pool: Arc<dyn Pool>) -> Self {
        Connection { pool: Some(pool), ..member.connection().clone() }
    }

    /// A handle that leaves the connection as it is when it is dropped.
    pub(crate) fn borrowed(driver: &Arc<Driver>) -> Option<Self> {
        let codec = Codec::from_name(&driver.session().codec())?;
        let handle = Handle { driver: Arc::clone(driver), codec, owns: false };
        Some(Connection { handle: Arc::new(handle), policy: Policy::default(), pool: None })
    }

    /// A client of the service that `C` stands for. Nothing is waited for: a service that the peer does not have shows
    /// when it is called.
    ///
    /// # Errors
    /// The connection is gone, or too many services are open on it, or its wire cannot carry a method (`Unsupported`).
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-open")?;
    /// # use farcall::testkit::calculator::CalculatorClient;
    /// use farcall::Client;
    ///
    /// let another: CalculatorClient = calc.connection().open()?;
    /// assert_eq!(another.add(2, 3).wait()?, 5);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn open<C: Client>(&self) -> Result<C, Error> {
        let (descriptor, shapes) = (C::DESCRIPTOR, C::__shapes());
        let object = match &self.pool {
            // Opened on each member when it gets its first call.
            Some(_) => 0,
            None => self.open_object(descriptor, shapes)?,
        };
        Ok(C::__from_core(Stub { connection: self.clone(), object, descriptor, shapes }.into()))
    }

    pub(super) fn open_object(
        &self,
        descriptor: &'static ServiceDescriptor,
        shapes: &'static Shapes,
    ) -> Result<u32, Error> {
        let session = self.handle.driver.session();
        if let Some(error) = session.ended() {
            return Err(error.with_fate(Fate::NotSent));
        }
        fits::client(descriptor, shapes, &self.handle.driver)?;
        if !self.handle.owns {
            fits::call_back(descriptor, &self.handle.driver)?;
        }
        let methods = descriptor.methods().iter().enumerate();
        let methods = methods.map(|(at, method)| (method.name(), shapes.fingerprint(at)));
        session.open(descriptor.name(), methods)
    }

    /// The URL of the link.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection-url")?;
    /// use farcall::Client;
    /// assert_eq!(calc.connection().url(), server.url());
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn url(&self) -> &str {
        self.handle.driver.url()
    }

    /// The wire that carries the calls: what has been agreed on with the peer, where the URL leaves that open. Why it is not
    /// the first choice is in [`peer`](Self::peer), as its `fallback`.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection-transport")?;
    /// use farcall::Client;
    /// assert_eq!(calc.connection().transport(), "mem");
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn transport(&self) -> &'static str {
        self.peer().transport
    }

    /// Who is at the other end, as far as the kernel knows.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection-peer")?;
    /// use farcall::Client;
    /// assert_eq!(calc.connection().peer().pid, Some(std::process::id()));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn peer(&self) -> Peer {
        self.handle.driver.peer()
    }

    /// The same connection with another default deadline for the calls of this handle and the clients opened on it.
    /// At most 24 h.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection-deadline")?;
    /// # use farcall::testkit::calculator::CalculatorClient;
    /// use farcall::{Client, Code};
    /// use std::time::Duration;
    ///
    /// let hasty = calc.connection().with_deadline(Duration::from_millis(1));
    /// let calc: CalculatorClient = hasty.open()?;
    /// assert_eq!(calc.ponder().wait().unwrap_err().code(), Code::DeadlineExceeded);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// Sends what was started, waits for the verdicts of detached calls, says goodbye and waits until it has left;
    /// `.wait()` at most for `limits::HANDSHAKE`. Other calls without a verdict end as `PeerGone`. Of a pool, all connections
    /// are closed so.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-connection-close")?;
    /// use farcall::{Client, Fate};
    ///
    /// calc.connection().close().wait()?;
    /// assert_eq!(calc.add(2, 3).wait().unwrap_err().fate(), Fate::NotSent);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn close(&self) -> Closing {
        Closing::new(Arc::clone(&self.handle.driver), self.pool.clone())
    }

    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    pub(super) fn pool(&self) -> Option<&Arc<dyn Pool>> {
        self.pool.as_ref()
    }

    pub(super) fn with_policy(&self, policy: Policy) -> Self {
        Connection { handle: Arc::clone(&self.handle), policy, pool: None }
    }
}

/// What every generated client holds, and each of its calls.
#[derive(Clone)]
pub struct ClientCore(Arc<Stub>);

/// A service on a connection.
pub struct Stub {
    pub(super) connection: Connection,
    pub(super) object: u32,
    pub(super) descriptor: &'static ServiceDescriptor,
    pub(super) shapes: &'static Shapes,
}

impl From<Stub> for ClientCore {
    fn from(stub: Stub) -> Self {
        ClientCore(Arc::new(stub))
    }
}

impl Deref for ClientCore {
    type Target = Stub;

    fn deref(&self) -> &Stub {
        &self.0
    }
}

impl fmt::Debug for ClientCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.descriptor.name()).field("url", &self.connection.url()).finish_non_exhaustive()
    }
}

/// What every generated client can do besides its service's methods.
///
/// A trait, so that none of these names clashes with a method of the service.
///
/// **Implementers**: only `#[service]` writes implementations.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-client")?;
/// use farcall::Client;
/// use std::time::Duration;
///
/// let hasty = calc.with_deadline(Duration::from_millis(250));
/// assert_eq!(hasty.add(2, 3).wait()?, 5);
/// assert_eq!((calc.url(), calc.transport()), (server.url(), "mem"));
/// # Ok::<(), farcall::Error>(())
/// ```
pub trait Client: Clone + Sized {
    /// The service.
    const DESCRIPTOR: &'static ServiceDescriptor;

    #[doc(hidden)]
    fn __shapes() -> &'static Shapes {
        Shapes::none()
    }

    #[doc(hidden)]
    fn __from_core(core: ClientCore) -> Self;

    #[doc(hidden)]
    fn __core(&self) -> &ClientCore;

    /// The connection under this client; other services can be opened on it.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-client-connection")?;
    /// use farcall::Client;
    /// println!("served by {:?}", calc.connection().peer());
    /// # Ok::<(), farcall::Error>(())
    /// ```
    fn connection(&self) -> Connection {
        self.__core().connection.clone()
    }

    /// A client of the same service on the same connection whose calls have this deadline.
    /// At most 24 h; the call's own [`deadline`](crate::Call::deadline) is stronger.
    #[must_use]
    fn with_deadline(&self, deadline: Duration) -> Self {
        let Stub { connection, object, descriptor, shapes } = &**self.__core();
        let mut connection = connection.clone();
        connection.policy.deadline = deadline;
        let (object, descriptor, shapes) = (*object, *descriptor, *shapes);
        Self::__from_core(Stub { connection, object, descriptor, shapes }.into())
    }

    /// The URL of the link.
    fn url(&self) -> &str {
        self.__core().connection.url()
    }

    /// The wire that carries the calls.
    fn transport(&self) -> &'static str {
        self.__core().connection.transport()
    }

    /// Closes the connection: see [`Connection::close`].
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-client-close")?;
    /// use farcall::Client;
    /// calc.close().wait()?;
    /// assert!(calc.add(2, 3).wait().is_err());
    /// # Ok::<(), farcall::Error>(())
    /// ```
    fn close(&self) -> Closing {
        self.__core().connection.close()
    }
}

/// What `connect` can give: a client of one service, or the connection itself.
pub trait Attach: Sized {
    /// Makes it of a connection.
    ///
    /// # Errors
    /// As [`Connection::open`].
    fn attach(connection: Connection) -> Result<Self, Error>;

    #[doc(hidden)]
    fn __client(&self) -> Option<&ClientCore> {
        None
    }
}

impl Attach for Connection {
    fn attach(connection: Connection) -> Result<Self, Error> {
        Ok(connection)
    }
}

impl<C: Client> Attach for C {
    fn attach(connection: Connection) -> Result<Self, Error> {
        connection.open()
    }

    fn __client(&self) -> Option<&ClientCore> {
        Some(self.__core())
    }
}
