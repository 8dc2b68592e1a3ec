//! How much one server takes on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::limits::MAX_SERVER_CALLS;

/// How many handlers all connections of one server are running, besides those that threads are polling just now.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicU32>);

/// A place among them.
#[derive(Debug)]
pub(super) struct Permit(Load);

impl Load {
    /// Whether all places are taken.
    pub(super) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MAX_SERVER_CALLS
    }

    /// A place for a handler that goes on elsewhere.
    pub(super) fn enter(&self) -> Permit {
        self.0.fetch_add(1, Ordering::Relaxed);
        Permit(self.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
