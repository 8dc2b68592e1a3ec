//! Several connections behind one client: chosen for each call, replaced when they end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Waker;

use farcall_core::client::{Connection, Member, Pool};
use farcall_core::{Code, Error, Fate};

use super::dial::Dial;
use super::handle::wait_until;
#[cfg(feature = "tokio")]
use crate::wait::Runtime;
use crate::wait::blocking;

mod backoff;
mod bell;
mod choice;
mod keeper;

use bell::Bell;
pub(super) use choice::Choice;
use keeper::Keeper;

/// The most connections of a pool.
pub(super) const MOST: u16 = 1024;

/// Which connections are made again after they end. `?restart=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Restart {
    /// All.
    #[default]
    Always,
    /// Those that did not end in order: a program that ends with status 0 has done what it was for.
    OnFailure,
    /// None.
    Never,
}

impl Restart {
    pub(super) const WORDS: [(&str, Restart); 3] =
        [("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];
}

/// What the keeper's thread shares with those who call.
struct Shared {
    /// In no order.
    live: RwLock<Vec<Arc<Member>>>,
    choice: Choice,
    state: Mutex<State>,
    bell: Bell,
}

#[derive(Default)]
struct State {
    /// Nobody calls any more.
    closed: bool,
    /// Why the last connection ended or could not be made.
    last: Option<Error>,
    /// Every connection has been tried once.
    tried: bool,
    /// Who waits for that.
    waiting: Option<Waker>,
}

/// What clients hold: with the last of them the pool ends.
struct Crew(Arc<Shared>);

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<Member>>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn live_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Arc<Member>>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every connection has been tried once; else `waker` is woken then.
    fn tried(&self, waker: &Waker) -> Option<()> {
        let mut state = self.state();
        if !state.tried {
            state.waiting = Some(waker.clone());
        }
        state.tried.then_some(())
    }

    /// Why no connection takes a call.
    fn gone(&self) -> Error {
        // The keeper may not have seen yet what has ended just now.
        let ended = self.live().iter().find_map(|member| member.ended());
        let state = self.state();
        let last = match ended.as_ref().or(state.last.as_ref()).filter(|_| !state.closed) {
            Some(error) => error.to_string(),
            None => "this side closed it".to_owned(),
        };
        Error::new(Code::Unavailable, Fate::NotSent, format!("no connection of the pool is there: {last}"))
    }
}

impl Pool for Crew {
    fn choose(&self) -> Result<Arc<Member>, Error> {
        let live = self.0.live();
        let chosen = self.0.choice.of(&live).filter(|member| member.ended().is_none()).or_else(|| {
            self.notice();
            live.iter().filter(|member| member.ended().is_none()).min_by_key(|member| member.calls())
        });
        let chosen = chosen.cloned();
        drop(live);
        chosen.ok_or_else(|| self.0.gone())
    }

    fn notice(&self) {
        self.0.bell.ring();
    }

    fn close(&self) {
        self.0.state().closed = true;
        self.0.bell.ring();
        let ended = std::mem::take(&mut *self.0.live_mut());
        drop(ended);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.close();
    }
}

/// A pool whose connections are being made.
pub(super) struct Gathering(Arc<Crew>);

impl Gathering {
    /// Has a thread of the pool's own make these connections, on `runtime` where there is one.
    ///
    /// # Errors
    /// The thread cannot be had.
    pub(super) fn start(
        dials: Vec<Dial>,
        choice: Choice,
        #[cfg(feature = "tokio")] runtime: Option<Runtime>,
    ) -> Result<Self, Error> {
        let shared =
            Arc::new(Shared { live: RwLock::default(), choice, state: Mutex::default(), bell: Bell::new()? });
        let crew = Arc::new(Crew(Arc::clone(&shared)));
        let keeper = Keeper::new(
            shared,
            dials,
            #[cfg(feature = "tokio")]
            runtime,
        );
        let thread = std::thread::Builder::new().name("farcall-pool".to_owned());
        thread.spawn(move || keeper.run()).map_err(|error| {
            let text = format!("a pool needs a thread, which cannot be started: {error}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
        })?;
        Ok(Gathering(crew))
    }

    /// Blocks until each connection has been tried once.
    ///
    /// # Errors
    /// None could be made.
    pub(super) fn wait(self) -> Result<Connection, Error> {
        blocking(|| {
            wait_until(None, |waker| self.0.0.tried(waker).is_some());
            self.connection()
        })
    }

    /// Waits until each connection has been tried once.
    ///
    /// # Errors
    /// None could be made.
    pub(super) async fn gathered(self) -> Result<Connection, Error> {
        std::future::poll_fn(|cx| match self.0.0.tried(cx.waker()) {
            Some(()) => std::task::Poll::Ready(()),
            None => std::task::Poll::Pending,
        })
        .await;
        self.connection()
    }

    fn connection(self) -> Result<Connection, Error> {
        let first = self.0.0.live().first().cloned();
        match first {
            Some(first) => Ok(Connection::pooled(&first, self.0)),
            None => Err(self.0.0.state().last.clone().unwrap_or_else(|| self.0.0.gone())),
        }
    }
}
