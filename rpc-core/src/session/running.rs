//! Handlers that returned pending: whom to wake when their call is no longer wanted.

use std::collections::HashMap;
use std::task::Waker;

use crate::proto::InKey;

#[derive(Debug, Default)]
pub(super) struct Running {
    watchers: HashMap<u64, Waker>,
}

impl Running {
    /// The waker that was known before comes back, to be dropped outside the lock.
    pub(super) fn watch(&mut self, key: InKey, waker: Waker) -> Option<Waker> {
        self.watchers.insert(key.id(), waker)
    }

    pub(super) fn forget(&mut self, key: InKey) -> Option<Waker> {
        if self.watchers.is_empty() {
            return None;
        }
        self.watchers.remove(&key.id())
    }
}
