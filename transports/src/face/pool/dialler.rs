//! Who makes the connections of a pool: tasks of the runtime where it was awaited, or threads of its own.

use std::sync::Arc;

use farcall_core::Error;
use farcall_core::client::Connection;

use super::{Dialled, Shared};
use crate::face::dial::Dial;
#[cfg(feature = "tokio")]
use crate::wait::Runtime;
use crate::wait::Workers;

pub(super) struct Dialler {
    /// Where connections are attended by tasks.
    #[cfg(feature = "tokio")]
    pub(super) runtime: Option<Runtime>,
    pub(super) threads: Arc<Workers>,
}

/// One connection that is being made. Whoever drops it says what has become of it.
struct Attempt {
    shared: Arc<Shared>,
    place: usize,
    dialled: Dialled,
}

impl Dialler {
    /// Makes a connection; the pool hears of it.
    pub(super) fn dial(&self, dial: Dial, place: usize, shared: &Arc<Shared>) {
        let attempt = Attempt { shared: Arc::clone(shared), place, dialled: None };
        #[cfg(feature = "tokio")]
        if let Some(runtime) = &self.runtime {
            return runtime.spawn(async move { attempt.end(dial.connect().await) });
        }
        // Refused work is dropped, which says so.
        let _ = self.threads.run(Box::new(move || attempt.end(dial.wait())));
    }

    /// A task of the runtime was dropped: from now on threads take its place.
    pub(super) fn runtime_has_ended(&mut self) {
        #[cfg(feature = "tokio")]
        {
            self.runtime = None;
        }
    }
}

impl Attempt {
    fn end(mut self, result: Result<Connection, Error>) {
        self.dialled = Some(result);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.dialled(self.place, self.dialled.take());
    }
}
