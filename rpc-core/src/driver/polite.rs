//! The polite wait: looking again for a moment before sleeping, since sleep and wake-up cost more than most answers take.
//!
//! First it pauses, if the peer can run meanwhile and nobody else is in need of the processor; then it gives the
//! processor away again and again; then it is over, and whoever waits sleeps.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::driver::Host;
use crate::limits::{AT_ONCE, LOOK_AGAIN, PAUSE};
use crate::time::Time;

/// How long a KiB that has come or gone is at work on the other side: to be read, worked at, and answered.
const OF_A_KIB: Duration = Duration::from_micros(1);

/// The most that a wait is longer because much has come or gone.
const LONGEST: Duration = Duration::from_micros(200);

/// So long nobody waits who may sleep.
const LONG: Duration = Duration::from_millis(2);

/// How much has come and gone lately: behind 64 KiB of silence are no reason to sleep, behind 64 bytes they are.
#[derive(Debug, Default)]
pub(super) struct Weight(AtomicU32);

impl Weight {
    /// So many bytes more. Said by who has the turn.
    #[inline]
    pub(super) fn add(&self, bytes: usize) {
        let before = self.0.load(Ordering::Relaxed);
        if before != 0 || bytes >= 1024 {
            // What came before counts half: a few small messages make it forgotten.
            let added = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
            self.0.store((before / 2).saturating_add(added), Ordering::Relaxed);
        }
    }

    /// How much longer a wait may be because of it.
    #[inline]
    pub(super) fn longer(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            kib => (OF_A_KIB * kib).min(LONGEST),
        }
    }
}

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

/// Looks between two looks at the clock.
const LOOKS: u32 = 8;

/// Bounds of a wait, all of them far below 2^64.
const fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// One polite wait.
#[derive(Debug)]
pub struct Patience {
    waiting: Waiting,
    /// How many may pause at once in this process; 0: this one may not.
    room: u32,
    /// It is among those who pause.
    pauses: bool,
    /// To pause would be in vain, as others have shown.
    in_vain: bool,
    /// A look takes no system call.
    looks_free: bool,
    looks: u32,
    /// At which look a pause had lasted long enough; 0: none has.
    paused_until: u32,
    /// When the clock was first looked at; never: not yet.
    since: Time,
    /// How long it had lasted at the last look at the clock, in nanoseconds. It lies in every call: it is kept small.
    passed: u64,
    /// How long it lasts since something has come, in nanoseconds.
    lasts: u64,
    /// When a task left the processor to others; never: it has not.
    left: Time,
}

impl Patience {
    /// `room`: so many may pause at once in this process. `looks_free`: a look takes no system call.
    pub(super) fn new(waiting: Waiting, room: usize, looks_free: bool) -> Self {
        Patience {
            waiting,
            room: u32::try_from(room).unwrap_or(u32::MAX),
            pauses: false,
            in_vain: false,
            looks_free,
            looks: 0,
            paused_until: 0,
            since: Time::NEVER,
            passed: 0,
            lasts: nanos(LOOK_AGAIN),
            left: Time::NEVER,
        }
    }

    /// Begins again: something has come.
    pub(super) fn renew(&mut self) {
        (self.looks, self.paused_until, self.since, self.passed) = (0, 0, Time::NEVER, 0);
    }

    /// It lasts so much longer than usual.
    pub(super) fn allow(&mut self, longer: Duration) {
        self.lasts = nanos(LOOK_AGAIN) + nanos(longer);
    }

    /// Whether some may pause at all.
    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// To pause would be in vain, or not, as other waits have shown.
    pub(super) fn set_in_vain(&mut self, in_vain: bool) {
        self.in_vain = in_vain;
    }

    /// Whether this wait begins with a pause, if not too many pause already.
    pub(super) fn may_pause(&self) -> bool {
        self.has_room() && !self.in_vain
    }

    /// Whether a pause has lasted long enough without bringing anything.
    pub(super) fn has_paused(&self) -> bool {
        self.paused_until != 0
    }

    /// Something has come: whether it came after a pause, as soon as others had had the processor. `None`: there was no pause.
    pub(super) fn was_in_vain(&self, host: &dyn Host) -> Option<bool> {
        if self.looks == 0 || !(self.pauses || self.has_paused()) {
            return None;
        }
        let others_had_it = || host.now().as_nanos() > self.since.as_nanos() + self.passed + nanos(AT_ONCE);
        Some(!self.pauses && self.looks <= self.paused_until + 1 && others_had_it())
    }

    /// What comes after a look that has found nothing.
    pub fn moment(&mut self, host: &dyn Host) -> Moment {
        self.looks = self.looks.wrapping_add(1);
        if self.looks_free && !self.may_pause() && !self.looks.is_multiple_of(LOOKS) {
            return Moment::Passed;
        }
        if self.pauses || (self.since == Time::NEVER && self.may_pause()) {
            if !self.pauses {
                self.pauses = host.begin_pause(self.room as usize);
            }
            if self.pauses && !self.looks.is_multiple_of(LOOKS) {
                std::hint::spin_loop();
                return Moment::Passed;
            }
        }
        let now = host.now();
        if self.since == Time::NEVER {
            self.since = now;
        }
        self.passed = now.as_nanos().saturating_sub(self.since.as_nanos());
        if self.pauses && (self.passed < nanos(PAUSE) || self.waiting == Waiting::Spin) {
            return Moment::Passed;
        }
        if self.pauses {
            self.paused_until = self.looks;
            self.rest(host);
        }
        if self.passed < self.lasts || self.waiting == Waiting::Spin { Moment::GiveWay } else { Moment::Over }
    }

    /// Whether it has lasted so long that whoever never sleeps asks for what a sleeper would be told.
    pub(super) fn is_long(&self) -> bool {
        self.passed > nanos(LONG)
    }

    /// A task leaves the processor to the others that are ready.
    pub fn leave(&mut self, now: Time) {
        self.left = now;
    }

    /// It is polled again after it left; `true`: so soon that nobody else was polled meanwhile, and the processor may go to
    /// other processes.
    pub fn come_back(&mut self, now: impl FnOnce() -> Time) -> Option<bool> {
        let left = std::mem::replace(&mut self.left, Time::NEVER);
        (left != Time::NEVER).then(|| now().since(left) < AT_ONCE)
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
#[derive(Debug)]
pub(super) struct Company {
    /// How much speaks for others that are ready.
    signs: AtomicU32,
    calls: AtomicU32,
}

impl Default for Company {
    /// The first call finds out.
    fn default() -> Self {
        Company { signs: AtomicU32::new(1), calls: AtomicU32::new(0) }
    }
}

/// One call in so many lets others have their turn first, to see whether there are any; and each while something speaks for it.
const SAMPLE: u32 = 16;

/// The same where a call with its answer takes half a microsecond, as long as the peer has a processor for it.
const SAMPLE_OF_SHORT: u32 = 64;

/// What a late return to a task says: another task was polled, or only another process had the processor. A return in time
/// takes one away.
const SIGN: u32 = 4;

/// So much speaks for company: one late return is none.
const KNOWN: u32 = 2 * SIGN - 2;

/// The most that is remembered.
const MEMORY: u32 = 8 * SIGN;

impl Company {
    /// Whether the next call need not let others have their turn first. `short`: it is, with its answer.
    pub(super) fn is_none(&self, short: bool) -> bool {
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        let sample = if short { SAMPLE_OF_SHORT } else { SAMPLE };
        self.is_unseen() && !calls.is_multiple_of(sample)
    }

    /// Whether nothing speaks for others that are ready.
    pub(super) fn is_unseen(&self) -> bool {
        self.signs.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_known(&self) -> bool {
        self.signs.load(Ordering::Relaxed) >= KNOWN
    }

    pub(super) fn learn(&self, seen: bool) {
        let before = self.signs.load(Ordering::Relaxed);
        let signs = if seen { (before + SIGN).min(MEMORY) } else { before.saturating_sub(1) };
        self.signs.store(signs, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Clockwork;

    /// A wait by the clock of the test: whether its pause was in vain when something comes after so many looks, the last of
    /// them after others had the processor for so long.
    fn in_vain(looks: u32, others: Duration) -> Option<bool> {
        let clock = Clockwork::default();
        let mut now = Time::from_nanos(1_000_000);
        let mut patience = Patience::new(Waiting::Auto, 1, false);
        for _ in 0..looks {
            clock.set(now);
            let moment = patience.moment(&clock);
            now = now + if moment == Moment::Passed { Duration::from_nanos(100) } else { others };
        }
        clock.set(now);
        let in_vain = patience.was_in_vain(&clock);
        patience.rest(&clock);
        in_vain
    }

    #[test]
    fn a_pause_was_in_vain_if_the_answer_came_once_others_had_the_processor() {
        let (short, long) = (Duration::from_nanos(400), Duration::from_micros(5));
        assert_eq!(in_vain(0, long), None, "it was there at once");
        assert_eq!(in_vain(3, long), Some(false));
        let end = (LOOKS..4 * LOOKS).find(|looks| in_vain(*looks, long) == Some(true));
        let end = end.expect("a pause ends, and the peer has had the processor since");
        assert_eq!(in_vain(end, short), Some(false), "nobody had it meanwhile");
        assert_eq!(in_vain(end + 2, long), Some(false), "the answer took longer than that");
    }

    #[test]
    fn one_late_return_is_no_company_and_several_are() {
        let company = Company::default();
        assert!(
            !company.is_none(false) && !company.is_known(),
            "the first call lets others have their turn, to see"
        );
        company.learn(false);
        assert!(company.is_none(false));
        company.learn(true);
        assert!(!company.is_none(false), "the next ones look closer");
        assert!(!company.is_known(), "another process may have had the processor");
        company.learn(true);
        assert!(company.is_known());
        (0..SIGN).for_each(|_| company.learn(false));
        assert!(!company.is_known());
        (0..100).for_each(|_| company.learn(true));
        (0..=MEMORY - KNOWN).for_each(|_| company.learn(false));
        assert!(!company.is_known(), "company that went away long ago is forgotten");
    }
}
