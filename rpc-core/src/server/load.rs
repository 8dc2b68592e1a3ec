//! How much one server takes on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::limits::MAX_SERVER_CALLS;
use crate::server::backlog::Backlog;

/// How many handlers all connections of one server are running, besides those that threads are polling just now; and the
/// calls among them that wait for a thread.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    running: AtomicU32,
    backlog: Arc<Backlog>,
}

/// A place among them.
#[derive(Debug)]
pub(super) struct Permit(Load);

impl Load {
    /// Whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.0.running.load(Ordering::Relaxed) >= MAX_SERVER_CALLS
    }

    pub(super) fn backlog(&self) -> &Arc<Backlog> {
        &self.0.backlog
    }

    /// A place for a handler that goes on elsewhere.
    pub(super) fn enter(&self) -> Permit {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Permit(self.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
