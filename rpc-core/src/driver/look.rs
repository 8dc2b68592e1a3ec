//! Looking for what comes: at the link itself, without sleeping, by whoever waits politely.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use crate::driver::polite::{Moment, Patience, Waiting};
use crate::driver::{Driver, Receive};
use crate::session::Settled;

/// What a poll of a waiting call has come to.
#[derive(Debug)]
pub enum Looked {
    /// The verdict is there.
    Settled(Settled),
    /// The waker has been woken: look again.
    Soon,
    /// The waker will be woken with the verdict; somebody must attend the connection.
    Later,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// Nothing.
    Quiet,
    /// Another thread is looking.
    Taken,
    /// A turn was done.
    Turned,
    /// A turn was done and has left more for the next.
    More,
}

/// Looks in a row, before others have a chance to take the turn.
const IN_A_ROW: u32 = 16;

/// So many rows of looks one poll takes, also if it never sleeps.
const ROWS: u32 = 64;

/// The sleep of who only wants to hear what a sleeper is told.
const A_MOMENT: Duration = Duration::from_micros(1);

/// What came of looking out for a verdict.
struct Found {
    glance: Glance,
    /// What is next if it was not the verdict.
    moment: Moment,
    settled: Option<Settled>,
}

impl Driver {
    /// Whether a wait on this connection looks again before it sleeps.
    pub fn is_polite(&self) -> bool {
        self.waiting != Waiting::Park
    }

    /// Patience for one wait, unless this connection sleeps at once. `alone`: nothing else is outstanding on it.
    pub fn patience(&self, alone: bool) -> Option<Patience> {
        let room = if alone { self.room.load(Ordering::Relaxed) } else { 0 };
        let mut patience = Patience::new(self.waiting, room, self.looks_free);
        patience.allow(self.weight.longer());
        (self.waiting != Waiting::Park).then_some(patience)
    }

    /// Something has come: the wait begins again.
    pub fn renew(&self, patience: &mut Patience) {
        patience.renew();
        patience.allow(self.weight.longer());
    }

    /// Whether more is likely to come soon, now that something has come: nothing is in its way.
    pub(super) fn is_lively(self: &Arc<Self>) -> bool {
        self.is_polite() && self.look(|turn| turn.link.is_some() && (!turn.blocked || self.looks_free))
    }

    /// Looks whether something has come, and does a turn if so.
    pub(super) fn glance(self: &Arc<Self>, may_dispatch: bool) -> Glance {
        let Ok(mut turn) = self.turn.try_lock() else { return Glance::Taken };
        turn.stay_awake();
        let now = self.time();
        let is_due = self.session.due() <= now;
        let is_quiet = turn.link.as_ref().and_then(|link| link.is_quiet()) == Some(true);
        if is_quiet && !is_due {
            self.let_go(turn, true);
            return Glance::Quiet;
        }
        if self.turn_with(turn, Self::look_when(is_due), may_dispatch, now) {
            Glance::More
        } else {
            Glance::Turned
        }
    }

    /// What is due is seen to also if nothing has come.
    fn look_when(is_due: bool) -> Receive {
        if is_due { Receive::Yes } else { Receive::Glance }
    }

    /// Looks for this call's verdict, again and again while the moments just pass and nobody else needs the turn.
    fn look_out(self: &Arc<Self>, token: u32, patience: &mut Patience) -> Found {
        let host = &*self.host;
        let free = if self.is_in_demand() { None } else { self.turn.try_lock().ok() };
        let Some(mut turn) = free else {
            return Found { glance: Glance::Taken, moment: patience.moment(host), settled: None };
        };
        turn.stay_awake();
        let now = self.time();
        let is_due = self.session.due() <= now;
        for look in 0.. {
            let is_quiet = turn.link.as_ref().and_then(|link| link.is_quiet()) == Some(true);
            if !is_quiet || is_due {
                break;
            }
            let moment = patience.moment(host);
            if moment != Moment::Passed || look == IN_A_ROW || self.is_in_demand() {
                self.let_go(turn, true);
                return Found { glance: Glance::Quiet, moment, settled: None };
            }
        }
        let (more, settled) = self.turn_for(turn, token, Self::look_when(is_due), now);
        let moment = if settled.is_some() { Moment::Passed } else { patience.moment(host) };
        Found { glance: if more { Glance::More } else { Glance::Turned }, moment, settled }
    }

    /// One poll of a call that waits for its verdict.
    pub fn look_for(self: &Arc<Self>, token: u32, waker: &Waker, left: &mut Option<Patience>) -> Looked {
        let Some(mut patience) = left.take() else {
            return self.leave_to_others(token, waker);
        };
        let host = &*self.host;
        let mut may_give_way = match patience.come_back(host) {
            None => true,
            Some(at_once) => {
                let alone = self.session.is_alone();
                self.company.learn(!at_once || !alone);
                if !alone {
                    // Calls that were started meanwhile are the attendant's, and this one with them.
                    return self.leave_to_others(token, waker);
                }
                at_once && !self.company.is_known()
            }
        };
        let (mut settled, mut soon) = (None, false);
        let (mut moves, mut rows) = (self.moves(), 0);
        while settled.is_none() {
            let found = self.look_out(token, &mut patience);
            let has_moved = std::mem::replace(&mut moves, self.moves()) != moves;
            if has_moved {
                self.renew(&mut patience);
            }
            settled = found.settled.or_else(|| self.session.try_take(token));
            match found.moment {
                _ if settled.is_some() || found.glance == Glance::More => {}
                // The peer may be a task that waits for this one.
                Moment::Passed if rows == ROWS => {
                    soon = true;
                    break;
                }
                Moment::Passed => rows += 1,
                Moment::Over if has_moved => {}
                // Whoever attends hears of the peer's death; who only looks does not.
                _ if patience.is_long() => break,
                Moment::GiveWay if std::mem::take(&mut may_give_way) => {
                    patience.rest(host);
                    host.give_way();
                }
                Moment::GiveWay => {
                    soon = true;
                    break;
                }
                Moment::Over => break,
            }
        }
        patience.rest(host);
        // Whoever polled may not poll again: others must hear of the link's news.
        self.leave_link();
        match settled {
            Some(settled) => Looked::Settled(settled),
            None if soon => {
                self.look_soon(&mut patience, waker);
                *left = Some(patience);
                Looked::Soon
            }
            None => self.session.take(token, waker).map_or(Looked::Later, Looked::Settled),
        }
    }

    /// The verdict, if it is there; otherwise whoever attends is to bring it.
    fn leave_to_others(self: &Arc<Self>, token: u32, waker: &Waker) -> Looked {
        if let Some(settled) = self.session.take(token, waker) {
            return Looked::Settled(settled);
        }
        self.leave_link();
        Looked::Later
    }

    /// Whether a call that was started alone looks for its verdict in its first poll; if not, other tasks that are ready have
    /// their turn first, and may start calls as well.
    pub fn may_look(&self) -> bool {
        self.is_polite() && self.company.is_none()
    }

    /// Leaves the processor to the other tasks that are ready, to look again after them.
    pub fn look_soon(&self, patience: &mut Patience, waker: &Waker) {
        patience.leave(&*self.host);
        self.host.wake_later(waker);
    }

    /// Somebody who has looked at the link without being its attendant goes away: the attendants and the thread that sits
    /// there are to hear of its news.
    fn leave_link(self: &Arc<Self>) {
        let others_sleep = || !self.attendants.is_empty() || self.session.is_seated();
        if others_sleep() && !self.standing().quiet {
            self.rouse();
        } else if self.session.has_requests() {
            self.attendants.wake();
        }
    }

    /// Who never sleeps hears what a sleeper would be told: that the peer has died.
    fn ask(self: &Arc<Self>, token: u32) -> Option<Settled> {
        let until = self.host.now() + A_MOMENT;
        self.wait_for(until, None, true, |session, _| session.try_take(token))
    }

    /// One look of somebody who polls for a verdict without waiting.
    pub fn look_in(self: &Arc<Self>, token: u32) -> Option<Settled> {
        self.touch();
        let settled = self.session.try_take(token);
        let lately = self.host.lately().as_nanos();
        // Not at every look: it takes some microseconds.
        let asks = settled.is_none()
            && self.attendants.is_empty()
            && self.asked.swap(lately, Ordering::Relaxed) != lately;
        if asks { self.ask(token) } else { settled }
    }

    /// Waits politely for a call's verdict; `None`: it has taken longer than that.
    ///
    /// `started`: just now, and whether alone.
    pub fn wait_politely(self: &Arc<Self>, token: u32, started: Option<bool>) -> Option<Settled> {
        let mut patience = self.patience(started == Some(true))?;
        // The verdict of an older call may have come with that of another.
        if started.is_none()
            && let Some(settled) = self.session.try_take(token)
        {
            return Some(settled);
        }
        let host = &*self.host;
        let mut moves = self.moves();
        let settled = loop {
            let found = self.look_out(token, &mut patience);
            if found.settled.is_some() {
                break found.settled;
            }
            if self.session.has_requests() {
                self.run_handlers(Some(token));
            }
            // A large message is on its way, or others' verdicts are.
            let has_moved = std::mem::replace(&mut moves, self.moves()) != moves;
            if has_moved {
                self.renew(&mut patience);
            }
            // Another thread may have received the verdict.
            if let Some(settled) = self.session.try_take(token) {
                break Some(settled);
            }
            if patience.is_long() {
                patience.rest(host);
                if let Some(settled) = self.ask(token) {
                    break Some(settled);
                }
                self.renew(&mut patience);
            }
            match found.moment {
                _ if has_moved || found.glance == Glance::More => {}
                Moment::Passed => {}
                Moment::GiveWay => host.give_way(),
                Moment::Over => break None,
            }
        };
        patience.rest(host);
        self.leave_link();
        settled
    }
}
