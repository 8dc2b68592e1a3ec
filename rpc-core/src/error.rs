//! What a failed call tells: a code, a sentence, and the call's fate.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the caller may believe about a call that failed.
///
/// Only what can be proven is said: a call whose fate cannot be proven is [`Fate::Unknown`].
///
/// ```
/// use farcall_core::Fate;
/// assert!(Fate::NotSent.is_safe_to_retry());
/// assert!(!Fate::Unknown.is_safe_to_retry());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The call never left: its last byte was not handed over and never will be.
    NotSent,
    /// The other side provably did not start the handler.
    NotExecuted,
    /// The call was handed over whole and no verdict came back.
    Unknown,
    /// The handler began and did not come to its end.
    Started,
    /// The handler returned; only its result did not arrive.
    Completed,
}

impl Fate {
    /// Whether the handler provably did not run, so that sending the call again cannot run it twice.
    pub fn is_safe_to_retry(self) -> bool {
        matches!(self, Fate::NotSent | Fate::NotExecuted)
    }
}

/// Why a connection is gone.
///
/// ```
/// assert_eq!(farcall::Gone::Hup.to_string(), "it closed the connection");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gone {
    /// The peer's process ended.
    Exited,
    /// The peer closed its end.
    Hup,
    /// The transport was reset or failed.
    Reset,
    /// The peer answered no ping.
    PingTimeout,
    /// The peer took no bytes for too long.
    WriteStall,
    /// The peer stopped in the middle of a message.
    ReadStall,
    /// The peer broke the rules of the protocol.
    Poisoned,
    /// This side closed the connection.
    LocalClose,
}

impl Gone {
    fn words(self) -> &'static str {
        match self {
            Gone::Exited => "its process ended",
            Gone::Hup => "it closed the connection",
            Gone::Reset => "the connection was reset",
            Gone::PingTimeout => "it answered no ping",
            Gone::WriteStall => "it took no bytes for too long",
            Gone::ReadStall => "it stopped in the middle of a message",
            Gone::Poisoned => "it broke the protocol",
            Gone::LocalClose => "this side closed the connection",
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What kind of failure an [`Error`] is.
///
/// ```
/// use farcall::{Code, Connection};
/// let nobody = farcall::connect::<Connection>("mem:doc-nobody").wait().unwrap_err();
/// assert_eq!(nobody.code(), Code::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The call was cancelled.
    Cancelled,
    /// The call's deadline passed.
    DeadlineExceeded,
    /// A bound on work in progress was reached.
    Overloaded,
    /// A message is larger than the limit of one of the two sides.
    TooLarge,
    /// Bytes could not be decoded into the expected values, or values could not be encoded.
    BadRequest,
    /// The peer serves no service of this name.
    UnknownService,
    /// The peer's service has no method of this name.
    UnknownMethod,
    /// The two sides disagree about the shape of a method.
    SchemaMismatch,
    /// The operating system or the peer's policy refused.
    PermissionDenied,
    /// Nothing answers at the address.
    Unavailable,
    /// The connection is gone.
    PeerGone(Gone),
    /// The peer broke the rules of the protocol, or does not speak it.
    ProtocolViolation,
    /// The server is shutting down and takes no new calls.
    Draining,
    /// The handler panicked.
    HandlerPanicked,
    /// Memory, descriptors or another resource of this machine ran out.
    ResourceExhausted,
    /// The handle was used in a forked child.
    Forked,
    /// A URL, an option or a configuration is wrong.
    InvalidConfig,
    /// A blocking call was made where blocking is not allowed; use `.await` there.
    MustNotBlock,
    /// What was asked for is not supported by this wire or this build.
    Unsupported,
    /// A defect of Farcall itself.
    Internal,
}

/// A failure of Farcall: a [`Code`], the call's [`Fate`], and one sentence.
///
/// Cheap to clone. `source()` gives the cause where there is one.
///
/// ```
/// use farcall_core::{Code, Error, Fate};
/// let error = Error::new(Code::Overloaded, Fate::NotExecuted, "256 calls in flight");
/// assert_eq!(error.code(), Code::Overloaded);
/// assert_eq!(error.to_string(), "256 calls in flight");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    code: Code,
    fate: Fate,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this code and fate that says `message` (one sentence, lower case, no full stop).
    pub fn new(code: Code, fate: Fate, message: impl Into<String>) -> Self {
        Error(Arc::new(Repr { code, fate, message: message.into(), retry_after: None, source: None }))
    }

    /// A wrong URL, option or configuration; nothing was sent.
    pub fn config(message: impl Into<String>) -> Self {
        Error::new(Code::InvalidConfig, Fate::NotSent, message)
    }

    /// The peer is gone, and what became of the calls is not known.
    pub(crate) fn gone(why: Gone) -> Self {
        Error::new(Code::PeerGone(why), Fate::Unknown, format!("the peer is gone: {why}"))
    }

    /// The same error with its cause.
    ///
    /// ```
    /// use farcall::Error;
    /// let cause = std::io::Error::other("the disk is gone");
    /// let error = Error::config("no configuration").with_source(cause);
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        let Repr { code, fate, message, retry_after, .. } = &*self.0;
        Error(Arc::new(Repr {
            code: *code,
            fate: *fate,
            message: message.clone(),
            retry_after: *retry_after,
            source: Some(Arc::new(source)),
        }))
    }

    /// The same error with a time to wait before another attempt.
    pub fn with_retry_after(self, after: Duration) -> Self {
        Error(Arc::new(Repr {
            code: self.0.code,
            fate: self.0.fate,
            message: self.0.message.clone(),
            retry_after: Some(after),
            source: self.0.source.clone(),
        }))
    }

    /// The same error with another fate, for a call that shares a failure with others.
    pub fn with_fate(&self, fate: Fate) -> Self {
        if fate == self.0.fate {
            return self.clone();
        }
        Error(Arc::new(Repr {
            code: self.0.code,
            fate,
            message: self.0.message.clone(),
            retry_after: self.0.retry_after,
            source: self.0.source.clone(),
        }))
    }

    /// The same error behind a sentence that says what was attempted.
    ///
    /// ```
    /// use farcall::Error;
    /// let error = Error::config("no such file").context("reading farcall.toml");
    /// assert_eq!(error.to_string(), "reading farcall.toml: no such file");
    /// ```
    pub fn context(self, attempt: impl fmt::Display) -> Self {
        let attempt = attempt.to_string();
        Error(Arc::new(Repr {
            code: self.0.code,
            fate: self.0.fate,
            // A URL without a path has its colon already.
            message: format!("{}: {}", attempt.trim_end_matches(':'), self.0.message),
            retry_after: self.0.retry_after,
            source: self.0.source.clone(),
        }))
    }

    /// The kind of failure.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened to the call, as far as it can be proven.
    pub fn fate(&self) -> Fate {
        self.0.fate
    }

    /// How long to wait before another attempt, where the peer said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { code, fate, message, source, .. } = &*self.0;
        write!(f, "Error({code:?}, {fate:?}: {message}")?;
        if let Some(source) = source {
            write!(f, ": {source}")?;
        }
        f.write_str(")")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// How a call of a method that returns `Result<T, E>` fails: by the service's own error or by ours.
///
/// ```
/// use farcall_core::{CallError, Code, Error, Fate};
/// let failed: CallError<String> = CallError::Service("no such key".into());
/// assert_eq!(failed.into_parts(), Ok("no such key".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The handler returned this error.
    Service(E),
    /// The call itself failed.
    Rpc(Error),
}

impl<E> CallError<E> {
    /// The service's error as `Ok`, Farcall's as `Err`.
    ///
    /// # Errors
    /// The [`Error`] of [`CallError::Rpc`].
    pub fn into_parts(self) -> Result<E, Error> {
        match self {
            CallError::Service(error) => Ok(error),
            CallError::Rpc(error) => Err(error),
        }
    }

    /// The same as [`into_parts`](Self::into_parts): `call.await.map_err(|e| e.rpc())` leaves `?` for ours.
    ///
    /// # Errors
    /// The [`Error`] of [`CallError::Rpc`].
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-rpc")?;
    /// match calc.divide(1.0, 0.0).wait() {
    ///     Ok(quotient) => println!("{quotient}"),
    ///     Err(error) => println!("the service says: {}", error.rpc()?),
    /// }
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn rpc(self) -> Result<E, Error> {
        self.into_parts()
    }

    /// What happened to the call: a service's own error is the end of a completed call.
    ///
    /// ```
    /// use farcall::{CallError, Fate};
    /// assert_eq!(CallError::Service("no such key").fate(), Fate::Completed);
    /// ```
    pub fn fate(&self) -> Fate {
        match self {
            CallError::Service(_) => Fate::Completed,
            CallError::Rpc(error) => error.fate(),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        CallError::Rpc(error)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Service(error) => error.fmt(f),
            CallError::Rpc(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for CallError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            CallError::Service(error) => error.source(),
            CallError::Rpc(error) => error.source(),
        }
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.code(), self.fate(), &self.0.message) == (other.code(), other.fate(), &other.0.message)
    }
}

impl Eq for Error {}
