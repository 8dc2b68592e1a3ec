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
use crate::wait::{Workers, blocking};

mod backoff;
mod bell;
mod choice;
mod dialler;
mod keeper;

use bell::Bell;
pub(super) use choice::Choice;
use dialler::Dialler;
use keeper::Keeper;

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
    /// There is a connection, and the others have had their time; or there will be none soon.
    gathered: bool,
    /// Who waits for that.
    waiting: Option<Waker>,
    /// What has become of dials, by their places, as far as the keeper has not taken it.
    dialled: Vec<(usize, Dialled)>,
}

/// What has become of a dial; `None`: it was given up, since its runtime or thread has ended.
type Dialled = Option<Result<Connection, Error>>;

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

    /// Whether the pool may be used, or never will; else `waker` is woken then.
    fn gathered(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        if !state.gathered {
            state.waiting = Some(waker.clone());
        }
        state.gathered
    }

    /// A dial has come to its end; what nobody wants any more is dropped here.
    fn dialled(&self, place: usize, dialled: Dialled) {
        let mut state = self.state();
        let unwanted = if state.closed {
            Some(dialled)
        } else {
            state.dialled.push((place, dialled));
            None
        };
        drop(state);
        drop(unwanted);
        self.bell.ring();
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
        let is_fit = |member: &&Arc<Member>| member.ended().is_none() && !member.is_silent();
        let chosen = self.0.choice.of(&live);
        let has_ended = chosen.is_none_or(|member| member.ended().is_some());
        let chosen = chosen.filter(is_fit).or_else(|| {
            let there = live.iter().filter(|member| member.ended().is_none());
            there.min_by_key(|member| (member.is_silent(), member.calls()))
        });
        let chosen = chosen.cloned();
        drop(live);
        if has_ended {
            self.notice();
        }
        chosen.ok_or_else(|| self.0.gone())
    }

    fn notice(&self) {
        self.0.bell.ring();
    }

    fn close(&self) -> Vec<Arc<Member>> {
        let mut state = self.0.state();
        state.closed = true;
        let unwanted = std::mem::take(&mut state.dialled);
        drop(state);
        drop(unwanted);
        self.0.bell.ring();
        std::mem::take(&mut *self.0.live_mut())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        drop(self.close());
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
        let dialler = Dialler {
            #[cfg(feature = "tokio")]
            runtime,
            threads: Workers::new(keeper::AT_ONCE),
        };
        let keeper = Keeper::new(shared, dials, dialler);
        let thread = std::thread::Builder::new().name("farcall-pool".to_owned());
        thread.spawn(move || keeper.run()).map_err(|error| {
            let text = format!("a pool needs a thread, which cannot be started: {error}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
        })?;
        Ok(Gathering(crew))
    }

    /// Blocks until a connection is there and the others have had their time too.
    ///
    /// # Errors
    /// None could be made.
    pub(super) fn wait(self) -> Result<Connection, Error> {
        blocking(|| {
            wait_until(None, |waker| self.0.0.gathered(waker));
            self.connection()
        })
    }

    /// Waits until a connection is there and the others have had their time too.
    ///
    /// # Errors
    /// None could be made.
    pub(super) async fn gathered(self) -> Result<Connection, Error> {
        std::future::poll_fn(|cx| match self.0.0.gathered(cx.waker()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
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
