//! The table that finds a wire by the scheme of a URL.

use std::sync::{Arc, PoisonError, RwLock};

use farcall_core::transport::{Link, Listener};
use farcall_core::{Code, Error, Fate};

use crate::query::Query;
use crate::scheme::Scheme;
use crate::url::Url;

/// `Some` of the wire if its feature is enabled.
macro_rules! if_enabled {
    ($feature:literal, $scheme:path) => {{
        #[cfg(feature = $feature)]
        let scheme: Option<&dyn Scheme> = Some(&$scheme);
        #[cfg(not(feature = $feature))]
        let scheme: Option<&dyn Scheme> = None;
        scheme
    }};
}

/// The wires of this crate: scheme, cargo feature, and the wire where the feature is enabled.
#[rustfmt::skip]
const BUILT_IN: &[(&str, &str, Option<&dyn Scheme>)] = &[
    ("mem", "mem", if_enabled!("mem", crate::mem::Mem)),
    ("unix", "unix", if_enabled!("unix", crate::unix::Unix)),
    ("shm", "shm", if_enabled!("shm", crate::shm::Shm)),
    ("local", "shm", if_enabled!("shm", crate::local::Local)),
    ("mailbox", "mailbox", if_enabled!("mailbox", crate::mailbox::Mailbox)),
    ("mmap", "shm", if_enabled!("shm", crate::mmap::Mmap)),
    ("mq", "mq", if_enabled!("mq", crate::mq::Mq)),
    ("fifo", "fifo", if_enabled!("fifo", crate::fifo::Fifo)),
    ("tcp", "tcp", if_enabled!("tcp", crate::tcp::Tcp)),
    ("pipe", "pipe", if_enabled!("pipe", crate::pipe::Pipe)),
    ("fd", "pipe", if_enabled!("pipe", crate::pipe::Descriptors)),
    ("exec", "pipe", if_enabled!("pipe", crate::exec::Exec)),
    ("stdio", "pipe", if_enabled!("pipe", crate::stdio::Stdio)),
];

static REGISTERED: RwLock<Vec<Arc<dyn Scheme>>> = RwLock::new(Vec::new());

/// Makes a wire from outside known to this process, for as long as it lives.
///
/// # Errors
/// `InvalidConfig` if the scheme is taken or is not a lower-case URL scheme.
///
/// ```
/// use farcall::Error;
/// use farcall::transport::{Link, Listener, Query, Scheme, Url, links, register};
/// use std::sync::Arc;
///
/// /// `inside:NAME`: `mem:` under another name.
/// struct Inside;
///
/// fn mem(url: &Url) -> Result<Url, Error> {
///     Url::parse(&format!("mem:inside-{}", url.name()?))
/// }
///
/// impl Scheme for Inside {
///     fn name(&self) -> &'static str {
///         "inside"
///     }
///     fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
///         links::connect(&mem(url)?, query)
///     }
///     fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
///         links::listen(&mem(url)?, query)
///     }
/// }
///
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// register(Arc::new(Inside))?;
/// let server = farcall::serve("inside:calc", CalculatorServer::new(Calc)).wait()?;
/// let calc: CalculatorClient = farcall::connect("inside:calc").wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # drop(server);
/// # Ok::<(), Error>(())
/// ```
pub fn register(scheme: Arc<dyn Scheme>) -> Result<(), Error> {
    let name = scheme.name();
    let is_valid = name.bytes().enumerate().all(|(at, byte)| {
        byte.is_ascii_lowercase() || (at > 0 && (byte.is_ascii_digit() || b"+-.".contains(&byte)))
    });
    if name.is_empty() || !is_valid {
        return Err(Error::config(format!(
            "`{name}` cannot be a scheme; begin with a lower-case letter and go on with letters, digits, `+`, `-` or `.`"
        )));
    }
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let is_taken = BUILT_IN.iter().any(|(known, ..)| *known == name)
        || registered.iter().any(|known| known.name() == name);
    if is_taken {
        return Err(Error::config(format!("the scheme `{name}` is taken; choose another name")));
    }
    registered.push(scheme);
    Ok(())
}

/// Connects by the wire that the URL names. `query` is what callers have left of the URL's options.
///
/// # Errors
/// `InvalidConfig` for an unknown scheme or a wrong option; otherwise what the wire says.
pub fn connect(url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
    let link = with_scheme(url, |scheme| scheme.connect(url, query))??;
    query.finish()?;
    Ok(link)
}

/// Listens by the wire that the URL names. `query` is what callers have left of the URL's options.
///
/// # Errors
/// `InvalidConfig` for an unknown scheme or a wrong option; otherwise what the wire says.
pub fn listen(url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
    let listener = with_scheme(url, |scheme| scheme.listen(url, query))??;
    query.finish()?;
    Ok(listener)
}

/// Whether [`connect`] or [`listen`] may block for this URL (a name lookup, the start of a program).
pub fn may_block(url: &Url) -> bool {
    with_scheme(url, |scheme| scheme.may_block(url)).unwrap_or(false)
}

fn with_scheme<R>(url: &Url, act: impl FnOnce(&dyn Scheme) -> R) -> Result<R, Error> {
    let name = url.scheme();
    match BUILT_IN.iter().find(|(known, ..)| *known == name) {
        Some((.., Some(scheme))) => return Ok(act(*scheme)),
        Some((_, feature, None)) => {
            let remedy =
                format!("{url}: `{name}:` was left out of this build; enable the feature `{feature}`");
            return Err(Error::new(Code::Unsupported, Fate::NotSent, remedy));
        }
        None => {}
    }
    let found = {
        let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
        registered.iter().find(|known| known.name() == name).cloned()
    };
    match found {
        Some(scheme) => Ok(act(&*scheme)),
        None => Err(url.refuse(format!("there is no wire `{name}:`; known here: {}", known().join(", ")))),
    }
}

fn known() -> Vec<String> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let built_in = BUILT_IN.iter().filter(|(.., scheme)| scheme.is_some()).map(|(name, ..)| *name);
    built_in.chain(registered.iter().map(|scheme| scheme.name())).map(|name| format!("{name}:")).collect()
}
