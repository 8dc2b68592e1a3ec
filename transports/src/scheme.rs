//! What a wire is to the table that finds it.

use farcall_core::Error;
use farcall_core::transport::{Link, Listener};

use crate::query::Query;
use crate::url::Url;

/// What a wire is to the table.
///
/// **Implementers**: take every option you know from `query`, call [`Query::finish`] before the first effect, and never
/// block, except for a name lookup that [`may_block`](Scheme::may_block) has announced. Errors name the URL and the remedy.
///
/// **Callers** go through [`connect`](crate::links::connect) and [`listen`](crate::links::listen).
///
/// A whole wire is `examples/custom_transport.rs`; [`register`](crate::register) has a smaller example.
pub trait Scheme: Send + Sync {
    /// The scheme, in lower case.
    fn name(&self) -> &'static str;

    /// The connecting side of a link. It may still be on its way: then it answers "would block", and what goes wrong
    /// surfaces at its next use.
    ///
    /// # Errors
    /// What is known at once to be wrong; nothing was sent.
    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error>;

    /// A place where links arrive.
    ///
    /// # Errors
    /// Why this URL cannot be served.
    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error>;

    /// Whether `connect` or `listen` may block for this URL, so that it belongs on a thread where that is allowed.
    fn may_block(&self, url: &Url) -> bool {
        let _ = url;
        false
    }
}
