//! How much one server takes on at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::limits::MAX_SERVER_CALLS;

/// How many calls all connections of one server are serving.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicU32>);

/// A place among them.
#[derive(Debug)]
pub(super) struct Permit(Load);

impl Load {
    /// A place, unless all are taken.
    pub(super) fn enter(&self) -> Option<Permit> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(self.clone());
        (before < MAX_SERVER_CALLS).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
