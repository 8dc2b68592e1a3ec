//! The thread of a pool: makes its connections, learns of their ends, makes them again.
//!
//! All children of a pool are started by this thread, which lives as long as the pool.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall_core::client::{Connection, Member};
use farcall_core::{Code, Error, Gone};

use super::backoff::Backoff;
use super::{Restart, Shared};
use crate::face::dial::Dial;
#[cfg(feature = "tokio")]
use crate::wait::Runtime;

/// How soon to look again at a connection whose peer is dead while what it left behind is still being dispatched.
const LINGERING: Duration = Duration::from_millis(10);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    places: Vec<Place>,
    #[cfg(feature = "tokio")]
    runtime: Option<Runtime>,
}

/// One connection of the pool, whether it is there or not.
struct Place {
    dial: Dial,
    standing: Standing,
    backoff: Backoff,
}

enum Standing {
    /// There since then.
    Live(Arc<Member>, Instant),
    /// To be made then.
    Due(Instant),
    /// Not to be made again.
    Over,
}

impl Keeper {
    pub(super) fn new(
        shared: Arc<Shared>,
        dials: Vec<Dial>,
        #[cfg(feature = "tokio")] runtime: Option<Runtime>,
    ) -> Self {
        let now = Instant::now();
        let place = |dial| Place { dial, standing: Standing::Due(now), backoff: Backoff::default() };
        Keeper {
            shared,
            places: dials.into_iter().map(place).collect(),
            #[cfg(feature = "tokio")]
            runtime,
        }
    }

    pub(super) fn run(mut self) {
        self.make_due();
        let waiting = {
            let mut state = self.shared.state();
            state.tried = true;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        while !self.is_closed() {
            self.sweep();
            self.make_due();
            self.sleep();
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.state().closed
    }

    /// Makes every connection that is due.
    fn make_due(&mut self) {
        for at in 0..self.places.len() {
            let is_due = matches!(self.places[at].standing, Standing::Due(due) if due <= Instant::now());
            if !is_due || self.is_closed() {
                continue;
            }
            match self.make(at) {
                Ok(connection) => {
                    let member = Arc::new(Member::new(connection));
                    self.places[at].standing = Standing::Live(Arc::clone(&member), Instant::now());
                    // Whoever has closed the pool meanwhile has taken all that were there.
                    self.shared.live_mut().push(member);
                    if self.is_closed() {
                        self.shared.live_mut().clear();
                    }
                }
                Err(error) => self.places[at].lost(&self.shared, error, Duration::ZERO),
            }
        }
    }

    fn make(&self, at: usize) -> Result<Connection, Error> {
        let dial = &self.places[at].dial;
        #[cfg(feature = "tokio")]
        if let Some(runtime) = &self.runtime {
            return runtime.block_on(dial.connect());
        }
        dial.wait()
    }

    /// Takes out what has ended.
    fn sweep(&mut self) {
        for place in &mut self.places {
            let Standing::Live(member, since) = &place.standing else { continue };
            let Some(error) = member.ended() else { continue };
            let lived = since.elapsed();
            self.shared.live_mut().retain(|other| !Arc::ptr_eq(other, member));
            place.lost(&self.shared, error, lived);
        }
    }

    fn sleep(&self) {
        let live = self.places.iter().filter_map(|place| match &place.standing {
            Standing::Live(member, _) => member.life().map(|life| (member, life)),
            Standing::Due(_) | Standing::Over => None,
        });
        let (members, lives): (Vec<&Arc<Member>>, Vec<Arc<OwnedFd>>) = live.unzip();
        let dues = self.places.iter().filter_map(|place| match place.standing {
            Standing::Due(due) => Some(due.saturating_duration_since(Instant::now())),
            Standing::Live(..) | Standing::Over => None,
        });
        let dead = self.shared.bell.sleep(&lives, dues.min());
        let mut lingers = false;
        for at in dead {
            members[at].mourn();
            lingers |= members[at].ended().is_none();
        }
        if lingers {
            self.shared.bell.sleep(&[], Some(LINGERING));
        }
    }
}

impl Place {
    /// The connection has ended, or could not be made: what next.
    fn lost(&mut self, shared: &Shared, error: Error, lived: Duration) {
        // Closed in order by the other side: a program that has ended with status 0, a server that was shut down.
        let is_in_order = matches!(error.code(), Code::PeerGone(Gone::Hup) | Code::Draining);
        let again = match self.dial.restart() {
            Restart::Always => error.code() != Code::InvalidConfig,
            Restart::OnFailure => !is_in_order && error.code() != Code::InvalidConfig,
            Restart::Never => false,
        };
        shared.state().last = Some(error);
        self.standing =
            if again { Standing::Due(Instant::now() + self.backoff.after(lived)) } else { Standing::Over };
    }
}
