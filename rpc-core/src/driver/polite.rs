//! The polite wait: looking again for a moment before sleeping, since sleep and wake-up cost more than most answers take.
//!
//! First it pauses, if the peer can run meanwhile and nobody else is in need of the processor; then it gives the
//! processor away again and again; then it is over, and whoever waits sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::Duration;

use crate::driver::{Driver, Host, Receive};
use crate::limits::{AT_ONCE, LOOK_AGAIN, PAUSE};
use crate::session::Settled;
use crate::time::Time;

/// How a connection waits.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// use farcall::Waiting;
///
/// let server = farcall::serve("mem:doc-waiting", CalculatorServer::new(Calc)).wait()?;
/// let calc = farcall::connect::<CalculatorClient>("mem:doc-waiting").waiting(Waiting::Park).wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # Ok::<(), farcall::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Looks again for some microseconds, giving the processor away meanwhile, and then sleeps.
    #[default]
    Auto,
    /// Never sleeps while a call is outstanding: for who has a processor to spare for each waiting thread.
    Spin,
    /// Sleeps at once.
    Park,
}

/// What the next moment of a wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has passed: look again.
    Passed,
    /// It is for others: give way, then look again.
    GiveWay,
    /// The wait has lasted long enough: sleep.
    Over,
}

/// What a polite wait is longer for each time that something came: what a fragment takes to be copied a few times.
const LONGER: Duration = Duration::from_micros(4);

/// Looks between two looks at the clock.
const LOOKS: u32 = 4;

/// One polite wait.
#[derive(Debug)]
pub struct Patience {
    waiting: Waiting,
    /// How many may pause at once in this process; 0: this one may not.
    room: usize,
    /// It is among those who pause.
    pauses: bool,
    /// A look takes no system call.
    looks_free: bool,
    looks: u32,
    since: Option<Time>,
    /// How long it lasts since something has come.
    lasts: Duration,
    /// When a task left the processor to others.
    left: Option<Time>,
}

impl Patience {
    /// Begins again: something has come. The more has come or gone, the longer the other side will be at work with it.
    pub fn renew(&mut self) {
        (self.looks, self.since) = (0, None);
        self.lasts = (self.lasts + LONGER).min(LOOK_AGAIN * 5);
    }

    /// What comes after a look that has found nothing.
    pub fn moment(&mut self, host: &dyn Host) -> Moment {
        self.looks = self.looks.wrapping_add(1);
        if self.looks_free && self.room == 0 && !self.looks.is_multiple_of(LOOKS) {
            return Moment::Passed;
        }
        if self.pauses || (self.since.is_none() && self.room > 0) {
            if !self.pauses {
                self.pauses = host.begin_pause(self.room);
            }
            if self.pauses && !self.looks.is_multiple_of(LOOKS) {
                std::hint::spin_loop();
                return Moment::Passed;
            }
        }
        let now = host.now();
        let passed = now.since(*self.since.get_or_insert(now));
        if self.pauses && (passed < PAUSE || self.waiting == Waiting::Spin) {
            return Moment::Passed;
        }
        self.rest(host);
        if passed < self.lasts || self.waiting == Waiting::Spin { Moment::GiveWay } else { Moment::Over }
    }

    /// A task leaves the processor to the others that are ready.
    pub fn leave(&mut self, host: &dyn Host) {
        self.left = Some(host.now());
    }

    /// It is polled again after it left; `true`: so soon that nobody else was polled meanwhile, and the processor may go to
    /// other processes.
    pub fn come_back(&mut self, host: &dyn Host) -> Option<bool> {
        self.left.take().map(|left| host.now().since(left) < AT_ONCE)
    }

    /// Pauses no more; whoever stops looking says so.
    pub fn rest(&mut self, host: &dyn Host) {
        if std::mem::take(&mut self.pauses) {
            host.end_pause();
        }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        debug_assert!(!self.pauses, "whoever stops looking rests");
    }
}

/// Whether tasks that call share their runtime with others that are ready, as far as the last calls have shown. Each of
/// the others wants its turn before a call waits in its place; but to be polled again costs more than an answer takes.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Above zero: there were others lately.
    seen: AtomicU32,
    calls: AtomicU32,
}

/// Calls after which company that is not seen again is forgotten.
const MEMORY: u32 = 64;

/// One call in so many lets others have their turn first, to see whether there are any.
const SAMPLE: u32 = 16;

impl Company {
    fn is_none(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        !self.is_known() && !calls.is_multiple_of(SAMPLE)
    }

    fn is_known(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > 0
    }

    fn learn(&self, seen: bool) {
        let before = self.seen.load(Ordering::Relaxed);
        self.seen.store(if seen { MEMORY } else { before.saturating_sub(1) }, Ordering::Relaxed);
    }
}

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

impl Driver {
    /// Whether a wait on this connection looks again before it sleeps.
    pub fn is_polite(&self) -> bool {
        self.waiting != Waiting::Park
    }

    /// Patience for one wait, unless this connection sleeps at once. `alone`: nothing else is outstanding on it.
    pub fn patience(&self, alone: bool) -> Option<Patience> {
        let room = if alone { self.room.load(Ordering::Relaxed) } else { 0 };
        let patience = Patience {
            waiting: self.waiting,
            room,
            pauses: false,
            looks_free: self.looks_free,
            looks: 0,
            since: None,
            lasts: LOOK_AGAIN,
            left: None,
        };
        (self.waiting != Waiting::Park).then_some(patience)
    }

    /// Whether more is likely to come soon, now that something has come: nothing is in its way.
    pub(super) fn is_lively(self: &Arc<Self>) -> bool {
        self.is_polite() && self.look(|turn| turn.link.is_some() && (!turn.blocked || self.looks_free))
    }

    /// Looks whether something has come, and does a turn if so.
    pub(super) fn glance(self: &Arc<Self>, may_dispatch: bool) -> Glance {
        let Ok(mut turn) = self.turn.try_lock() else { return Glance::Taken };
        turn.stay_awake();
        let is_quiet = turn.link.as_ref().and_then(|link| link.is_quiet()) == Some(true);
        if is_quiet && self.session.due() > self.host.lately() {
            drop(turn);
            if self.was_wanted() {
                self.flush();
            }
            return Glance::Quiet;
        }
        if self.turn_with(turn, Receive::Glance, may_dispatch) { Glance::More } else { Glance::Turned }
    }

    /// One poll of a call that waits for its verdict.
    pub fn look_for(self: &Arc<Self>, token: u32, waker: &Waker, left: &mut Option<Patience>) -> Looked {
        let Some(mut patience) = left.take() else {
            return self.session.take(token, waker).map_or(Looked::Later, Looked::Settled);
        };
        let host = &*self.host;
        let mut may_give_way = match patience.come_back(host) {
            None => true,
            Some(at_once) => {
                let alone = self.session.is_alone();
                self.company.learn(!at_once || !alone);
                if !alone {
                    // Calls that were started meanwhile are the attendant's, and this one with them.
                    return self.session.take(token, waker).map_or(Looked::Later, Looked::Settled);
                }
                at_once && !self.company.is_known()
            }
        };
        let (mut settled, mut soon) = (None, false);
        let mut moves = self.moves();
        while settled.is_none() {
            let glance = self.glance(false);
            // A large message is on its way.
            if std::mem::replace(&mut moves, self.moves()) != moves {
                patience.renew();
            }
            if glance != Glance::Quiet || patience.looks.is_multiple_of(LOOKS) {
                settled = self.session.try_take(token);
            }
            match patience.moment(host) {
                _ if settled.is_some() || glance == Glance::More => {}
                Moment::Passed => {}
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
            let glance = self.glance(false);
            if self.session.has_requests() {
                self.run_handlers(Some(token));
            }
            // A large message is on its way, or others' verdicts are.
            if std::mem::replace(&mut moves, self.moves()) != moves {
                patience.renew();
            }
            // Another thread may have received the verdict.
            if (glance != Glance::Quiet || patience.looks.is_multiple_of(LOOKS))
                && let Some(settled) = self.session.try_take(token)
            {
                break Some(settled);
            }
            match patience.moment(host) {
                _ if glance == Glance::More => {}
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
