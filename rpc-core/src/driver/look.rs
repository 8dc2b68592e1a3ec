//! Looking for what comes: at the link itself, without sleeping, by whoever waits politely.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use crate::driver::polite::{Moment, Patience, Waiting};
use crate::driver::turn::Turn;
use crate::driver::{Driver, Receive};
use crate::session::Settled;
use crate::time::Time;

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

/// What a row of looks has come to.
enum Row<'a> {
    /// Another thread has the turn, or is waiting for it.
    Taken,
    /// Nothing had come; what is next.
    Quiet(Moment),
    /// Something has come, or is due. `in_vain`: what that would say of the wait's pause.
    Ready { turn: MutexGuard<'a, Turn>, is_due: bool, now: Time, in_vain: Option<bool> },
}

/// Looks in a row, before others have a chance to take the turn.
const IN_A_ROW: u32 = 16;

/// So many rows of looks one poll takes, also if it never sleeps.
const ROWS: u32 = 64;

/// The sleep of who only wants to hear what a sleeper is told.
const A_MOMENT: Duration = Duration::from_micros(1);

/// What came of looking out for a verdict, besides the verdict.
struct Found {
    /// A turn was done and has left more for the next.
    more: bool,
    /// What is next if it was not the verdict.
    moment: Moment,
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
        self.prepare(&mut patience);
        (self.waiting != Waiting::Park).then_some(patience)
    }

    /// Gives the processor away after something was sent, if to look at once would be in vain: it costs a system call, and the
    /// peer cannot have answered before it has this processor. `true`: so it was.
    pub fn give_way_at_once(&self, patience: &Patience) -> bool {
        let in_vain = !self.looks_free && !self.is_side_by_side() && !patience.may_pause();
        if in_vain {
            self.host.give_way();
        }
        in_vain
    }

    /// Something has come: the wait begins again.
    pub fn renew(&self, patience: &mut Patience) {
        patience.renew();
        self.prepare(patience);
    }

    /// A wait is about to begin: how long it lasts, and whether to pause is worth it.
    fn prepare(&self, patience: &mut Patience) {
        patience.allow(self.weight.longer());
        patience.set_in_vain(patience.has_room() && !self.doubt.lets_pause());
    }

    /// Whether more is likely to come soon, now that something has come: nothing is in its way.
    pub(super) fn is_lively(self: &Arc<Self>) -> bool {
        let may_go_on = || self.looks_free || self.look(|turn| turn.link.is_some() && !turn.blocked);
        self.is_polite() && !self.session.has_ended() && may_go_on()
    }

    /// What is due is seen to also if nothing has come.
    fn look_when(is_due: bool) -> Receive {
        if is_due { Receive::Yes } else { Receive::Glance }
    }

    /// Looks, again and again while the moments just pass and nobody else needs the turn; `most` times.
    #[inline(always)]
    fn look_in_a_row(self: &Arc<Self>, patience: &mut Patience, most: u32) -> Row<'_> {
        let free = if self.is_in_demand() { None } else { self.turn.try_lock().ok() };
        let Some(mut turn) = free else { return Row::Taken };
        turn.stay_awake();
        let now = self.time();
        let is_due = self.session.due() <= now;
        let mut looks = 0;
        loop {
            let is_quiet = turn.link.as_ref().and_then(|link| link.is_quiet()) == Some(true);
            if !is_quiet || is_due {
                turn.lone = looks > 0 && self.looks_free;
                let in_vain = if self.doubt.is_open() { patience.was_in_vain(&*self.host) } else { None };
                return Row::Ready { turn, is_due, now, in_vain };
            }
            let moment = self.moment(patience);
            looks += 1;
            if moment != Moment::Passed || looks >= most || self.is_in_demand() {
                self.let_go(turn, true);
                return Row::Quiet(moment);
            }
        }
    }

    /// What comes after a look that has found nothing.
    #[inline]
    fn moment(&self, patience: &mut Patience) -> Moment {
        let moment = patience.moment(&*self.host);
        if moment == Moment::Over && patience.has_paused() {
            self.note_pause(Some(false));
        }
        moment
    }

    /// A wait has come to its end, and with it perhaps a sign whether the peer has a processor of its own.
    #[inline]
    fn note_pause(&self, in_vain: Option<bool>) {
        if let Some(in_vain) = in_vain {
            self.doubt.learn(in_vain);
        }
    }

    /// Looks for this call's verdict, which is put where it is to stay: to move it at once would take as long as a lock.
    fn look_out(
        self: &Arc<Self>,
        token: u32,
        patience: &mut Patience,
        settled: &mut Option<Settled>,
    ) -> Found {
        let more = match self.look_in_a_row(patience, IN_A_ROW) {
            Row::Taken => false,
            Row::Quiet(moment) => return Found { more: false, moment },
            Row::Ready { turn, is_due, now, in_vain } => {
                let more = self.turn_for(turn, token, Self::look_when(is_due), now, settled);
                if settled.is_some() {
                    self.note_pause(in_vain);
                }
                more
            }
        };
        let moment = if settled.is_some() { Moment::Passed } else { self.moment(patience) };
        Found { more, moment }
    }

    /// Looks for whatever comes, and does a turn if something has. `None`: it had; otherwise what is next.
    ///
    /// `alone`: whoever looks has nothing else to look at.
    pub(super) fn look_about(self: &Arc<Self>, patience: &mut Patience, alone: bool) -> Option<Moment> {
        match self.look_in_a_row(patience, if alone { IN_A_ROW } else { 1 }) {
            Row::Taken => Some(self.moment(patience)),
            Row::Quiet(moment) => Some(moment),
            Row::Ready { turn, is_due, now, in_vain } => {
                let before = self.moves();
                self.turn_with(turn, Self::look_when(is_due), true, now);
                if self.moves() == before {
                    return Some(self.moment(patience));
                }
                self.note_pause(in_vain);
                self.renew(patience);
                None
            }
        }
    }

    /// One poll of a call that waits for its verdict.
    pub fn look_for(self: &Arc<Self>, token: u32, waker: &Waker, left: &mut Option<Patience>) -> Looked {
        let Some(patience) = left else {
            return self.leave_to_others(token, waker);
        };
        let host = &*self.host;
        let mut may_give_way = match patience.come_back(|| self.time_of_others()) {
            None => !self.give_way_at_once(patience),
            Some(at_once) => {
                let outstanding = self.session.outstanding();
                self.company.learn(!at_once || outstanding > 1);
                if outstanding != 1 {
                    // Calls that were started meanwhile are the attendant's, and this one with them.
                    *left = None;
                    return self.leave_to_others(token, waker);
                }
                at_once && !self.company.is_known()
            }
        };
        let (mut settled, mut soon) = (None, false);
        let (mut moves, mut rows) = (self.moves(), 0);
        while settled.is_none() {
            let found = self.look_out(token, patience, &mut settled);
            let has_moved = std::mem::replace(&mut moves, self.moves()) != moves;
            if settled.is_none() {
                settled = self.session.try_take(token);
            }
            if has_moved && settled.is_none() {
                self.renew(patience);
            }
            match found.moment {
                _ if settled.is_some() || found.more => {}
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
        // Whoever polled may not poll again: others must hear of the link's news. To arm one at which one may look costs as much
        // as a tenth of a call, since the peer has just read the word that says so: who has the verdict leaves that to an
        // attendant on this thread, unless there are other tasks, between whose turns it would come each time.
        let may_leave = settled.is_some() && self.looks_free && self.company.is_unseen();
        let is_left = may_leave && !self.session.is_seated() && self.attendants.call_neighbour();
        if !is_left {
            self.leave_link();
        }
        if settled.is_none() && soon {
            self.look_soon(patience, waker);
            return Looked::Soon;
        }
        *left = None;
        match settled {
            Some(settled) => Looked::Settled(settled),
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
        self.is_polite() && self.company.is_none(self.looks_free && self.is_side_by_side())
    }

    /// Leaves the processor to the other tasks that are ready, to look again after them.
    pub fn look_soon(&self, patience: &mut Patience, waker: &Waker) {
        patience.leave(self.time_of_others());
        self.host.wake_later(waker);
    }

    /// A clock that stands still while an attendant of this connection has the processor: it is no other task.
    fn time_of_others(&self) -> Time {
        Time::from_nanos(self.host.now().as_nanos().saturating_sub(self.attendants.visited()))
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

    /// Waits politely for a call's verdict, which is then `settled`; if it is not, it has taken longer than that.
    ///
    /// `alone`: nothing else is outstanding.
    pub fn wait_politely(self: &Arc<Self>, token: u32, alone: bool, settled: &mut Option<Settled>) {
        let Some(mut patience) = self.patience(alone) else { return };
        let host = &*self.host;
        let mut moves = self.moves();
        self.give_way_at_once(&patience);
        loop {
            let found = self.look_out(token, &mut patience, settled);
            if settled.is_some() {
                break;
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
            *settled = self.session.try_take(token);
            if settled.is_none() && patience.is_long() {
                patience.rest(host);
                *settled = self.ask(token);
                self.renew(&mut patience);
            }
            if settled.is_some() {
                break;
            }
            match found.moment {
                _ if has_moved || found.more => {}
                Moment::Passed => {}
                Moment::GiveWay => host.give_way(),
                Moment::Over => break,
            }
        }
        patience.rest(host);
        self.leave_link();
    }
}
