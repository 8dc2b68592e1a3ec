//! Where a client and a server of the suite meet.

use std::any::Any;
use std::fmt;

/// How a side waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// On threads, by `.wait()`.
    Blocking,
    /// On a tokio runtime, by `.await`.
    Async,
}

/// A meeting point for one server and its clients.
pub struct Meeting {
    pub(super) serve: Option<String>,
    pub(super) connect: Option<String>,
    pub(super) is_single: bool,
    pub(super) keep: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meeting")
            .field("serve", &self.serve)
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

impl Meeting {
    /// Served at `url`; clients connect to what the server then gives as its URL.
    pub fn at(url: impl Into<String>) -> Self {
        Meeting { serve: Some(url.into()), connect: None, is_single: false, keep: None }
    }

    /// The two ends of one link, which carries a single connection.
    pub fn between(serve: impl Into<String>, connect: impl Into<String>) -> Self {
        Meeting { serve: Some(serve.into()), connect: Some(connect.into()), is_single: true, keep: None }
    }

    /// Served by another process that connecting starts, which calls [`host`](super::host) with the style asked for.
    pub fn elsewhere(connect: impl Into<String>) -> Self {
        Meeting { serve: None, connect: Some(connect.into()), is_single: true, keep: None }
    }

    /// Keeps `guard` (a directory, for example) for as long as the test lasts.
    #[must_use]
    pub fn keep(mut self, guard: impl Any + Send + Sync) -> Self {
        self.keep = Some(Box::new(guard));
        self
    }
}
