//! The thread of a pool: has its connections made, learns of their ends, has them made again.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farcall_core::client::Member;
use farcall_core::limits::{HANDSHAKE, POOL_PING};
use farcall_core::{Code, Error, Gone};

use super::Shared;
use super::backoff::Backoff;
use super::dialler::Dialler;
use crate::face::dial::Dial;
use crate::face::options::Restart;

/// How soon to look again at a connection whose peer is dead while what it left behind is still being dispatched.
const LINGERING: Duration = Duration::from_millis(10);

/// Connections that are made at the same time: enough that some that hang do not keep the others waiting, few enough that
/// a hundred programs do not start at once.
pub(super) const AT_ONCE: usize = 16;

/// How long the first connection waits for the others before the pool is used.
const COMPANY: Duration = Duration::from_millis(250);

/// How long a pool without any connection is waited for in the beginning: as long as one that is refused at the last moment.
const PATIENCE: Duration = HANDSHAKE.saturating_mul(2);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    places: Vec<Place>,
    dialler: Dialler,
    gathering: Option<Gathering>,
    /// When to ask all members for a sign of life.
    pulse: Instant,
}

/// The pool is not in use yet.
struct Gathering {
    /// It is by then.
    until: Instant,
    has_company: bool,
}

/// One connection of the pool, whether it is there or not.
struct Place {
    dial: Dial,
    standing: Standing,
    backoff: Backoff,
    tried: bool,
}

enum Standing {
    /// There since then.
    Live(Arc<Member>, Instant),
    /// Being made.
    Dialling,
    /// To be made then.
    Due(Instant),
    /// Not to be made again.
    Over,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, dials: Vec<Dial>, dialler: Dialler) -> Self {
        let now = Instant::now();
        let place =
            |dial| Place { dial, standing: Standing::Due(now), backoff: Backoff::default(), tried: false };
        Keeper {
            shared,
            places: dials.into_iter().map(place).collect(),
            dialler,
            gathering: Some(Gathering { until: now + PATIENCE, has_company: false }),
            pulse: now + POOL_PING,
        }
    }

    pub(super) fn run(mut self) {
        while !self.shared.state().closed {
            self.take_dialled();
            self.sweep();
            self.dial_due();
            self.announce();
            self.feel_pulses();
            self.sleep();
        }
    }

    /// How many are being made.
    fn dialling(&self) -> usize {
        self.places.iter().filter(|place| matches!(place.standing, Standing::Dialling)).count()
    }

    /// Has every connection made that is due.
    fn dial_due(&mut self) {
        let room = AT_ONCE.saturating_sub(self.dialling());
        let now = Instant::now();
        let due = |place: &Place| matches!(place.standing, Standing::Due(due) if due <= now);
        let all = self.places.iter_mut().enumerate();
        for (at, place) in all.filter(|(_, place)| due(place)).take(room) {
            place.standing = Standing::Dialling;
            self.dialler.dial(place.dial.clone(), at, &self.shared);
        }
    }

    /// Takes in what has been made, or not.
    fn take_dialled(&mut self) {
        let dialled = std::mem::take(&mut self.shared.state().dialled);
        for (at, dialled) in dialled {
            let place = &mut self.places[at];
            place.tried |= dialled.is_some();
            match dialled {
                Some(Ok(connection)) => {
                    let member = Arc::new(Member::new(connection));
                    place.standing = Standing::Live(Arc::clone(&member), Instant::now());
                    self.shared.live_mut().push(member);
                    // Whoever has closed the pool meanwhile has taken all that were there.
                    if self.shared.state().closed {
                        self.shared.live_mut().clear();
                    }
                }
                Some(Err(error)) => place.lost(&self.shared, error, Duration::ZERO),
                None => {
                    self.dialler.runtime_has_ended();
                    place.standing = Standing::Due(Instant::now() + place.backoff.after(Duration::ZERO));
                }
            }
        }
    }

    /// Says that the pool may be used, once it may.
    fn announce(&mut self) {
        let Some(gathering) = &mut self.gathering else { return };
        if !gathering.has_company && !self.shared.live().is_empty() {
            gathering.has_company = true;
            gathering.until = gathering.until.min(Instant::now() + COMPANY);
        }
        if gathering.until > Instant::now() && self.places.iter().any(|place| !place.tried) {
            return;
        }
        self.gathering = None;
        let waiting = {
            let mut state = self.shared.state();
            state.gathered = true;
            state.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.places.iter().filter_map(|place| match &place.standing {
            Standing::Live(member, _) => Some(member),
            Standing::Due(_) | Standing::Dialling | Standing::Over => None,
        })
    }

    /// Finds out who would answer if it were called.
    fn feel_pulses(&mut self) {
        if self.pulse <= Instant::now() {
            self.members().for_each(|member| member.feel_pulse());
            self.pulse = Instant::now() + POOL_PING;
            // Who has given no sign for too long has ended by that.
            self.sweep();
        }
    }

    /// Takes out what has ended.
    fn sweep(&mut self) {
        for place in &mut self.places {
            let Standing::Live(member, since) = &place.standing else { continue };
            let Some(error) = member.ended() else { continue };
            let (member, lived) = (Arc::clone(member), since.elapsed());
            // Who finds nobody there any more also finds why.
            place.lost(&self.shared, error, lived);
            self.shared.live_mut().retain(|other| !Arc::ptr_eq(other, &member));
        }
    }

    /// When there is something to do though nobody rings.
    fn due(&self) -> Option<Instant> {
        let dues = self.places.iter().filter_map(|place| match place.standing {
            // What there is no room for now becomes due with the next end of a dial.
            Standing::Due(due) if self.dialling() < AT_ONCE => Some(due),
            _ => None,
        });
        let pulse = self.members().next().map(|_| self.pulse);
        let gathered = self.gathering.as_ref().map(|gathering| gathering.until);
        dues.chain(pulse).chain(gathered).min()
    }

    fn sleep(&self) {
        let live = self.members().filter_map(|member| member.life().map(|life| (member, life)));
        let (members, lives): (Vec<&Arc<Member>>, Vec<Arc<OwnedFd>>) = live.unzip();
        let timeout = self.due().map(|due| due.saturating_duration_since(Instant::now()));
        let dead = self.shared.bell.sleep(&lives, timeout);
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
