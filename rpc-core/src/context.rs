//! What a handler can ask about the call that it serves, and what calls made inside it inherit.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::client::Connection;
use crate::driver::Driver;
use crate::proto::{InKey, Stage};
use crate::time::Time;
use crate::transport::Peer;

/// The call that is being served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) driver: Arc<Driver>,
    pub(crate) key: InKey,
    pub(crate) deadline: Time,
}

thread_local! {
    static CURRENT: RefCell<Option<Serving>> = const { RefCell::new(None) };
}

/// While this lives, the thread serves a call.
pub(crate) struct Entered<'a> {
    serving: &'a mut Option<Serving>,
    before: Option<Serving>,
}

impl<'a> Entered<'a> {
    /// The thread serves this call, which lies with the thread, until the guard is dropped.
    pub(crate) fn new(serving: &'a mut Option<Serving>) -> Self {
        let before = CURRENT.with_borrow_mut(|current| std::mem::replace(current, serving.take()));
        Entered { serving, before }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.serving = CURRENT.with_borrow_mut(|current| std::mem::replace(current, self.before.take()));
    }
}

/// What a call made now inherits: the deadline of the call being served, and its number if the new call goes back on
/// the same connection.
pub(crate) fn inherited(driver: &Arc<Driver>) -> (Option<Time>, Option<u64>) {
    CURRENT.with_borrow(|current| match current {
        Some(serving) => {
            let same = Arc::ptr_eq(&serving.driver, driver);
            (Some(serving.deadline), same.then(|| serving.key.id()))
        }
        None => (None, None),
    })
}

/// The circumstances of the call that the current handler serves. Outside a handler it knows nothing: no peer, no
/// deadline, never cancelled.
///
/// Calls made inside a handler inherit what is left of its deadline without anyone passing this on.
///
/// In an `async` handler it may be asked before and after every `.await`; on threads and tasks that the handler starts it
/// knows nothing, so take it along.
///
/// ```
/// #[farcall::service]
/// trait Doorman {
///     async fn who_am_i(&self) -> String;
/// }
///
/// struct Paul;
/// impl Doorman for Paul {
///     async fn who_am_i(&self) -> String {
///         let context = farcall::context();
///         let left = context.time_left().expect("every call has a deadline");
///         format!("process {:?} on {}, who waits for {left:?}", context.peer().pid, context.peer().transport)
///     }
/// }
///
/// # fn main() -> Result<(), farcall::Error> {
/// let server = farcall::serve("mem:doc-context", DoormanServer::new(Paul)).wait()?;
/// let doorman: DoormanClient = farcall::connect(server.url()).wait()?;
/// println!("{}", doorman.who_am_i().wait()?);
/// # Ok(()) }
/// ```
pub fn context() -> Context {
    Context(CURRENT.with_borrow(Clone::clone))
}

/// See [`context`].
///
/// ```
/// let nowhere = farcall::context(); // not inside a handler
/// assert!(nowhere.deadline().is_none() && nowhere.connection().is_none() && !nowhere.cancelled());
/// ```
#[derive(Clone, Debug)]
pub struct Context(Option<Serving>);

impl Context {
    /// Who called, as far as the kernel knows.
    pub fn peer(&self) -> Peer {
        self.0.as_ref().map(|serving| serving.driver.peer()).unwrap_or_default()
    }

    /// Time left until the caller stops waiting.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.as_ref().map(|serving| serving.deadline.since(serving.driver.host().now()))
    }

    /// The point on the monotonic clock at which the caller stops waiting.
    pub fn deadline(&self) -> Option<std::time::Instant> {
        std::time::Instant::now().checked_add(self.time_left()?)
    }

    /// Whether nobody wants the result any more: the caller cancelled or went away, or the deadline passed.
    ///
    /// An `async` handler is dropped by then; a `#[blocking]` one should look here now and then.
    pub fn cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|serving| {
            !matches!(serving.driver.session().stage(serving.key), Some(Stage::Waiting | Stage::Running))
        })
    }

    /// The connection on which the call came: open a client on it to call back.
    pub fn connection(&self) -> Option<Connection> {
        self.0.as_ref().and_then(|serving| Connection::borrowed(&serving.driver))
    }
}
