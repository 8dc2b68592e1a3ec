//! One life of a server: it is called from several places at once, killed in the middle, and every call is accounted for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use farcall::{Call, Error, Fate};
use tokio::runtime::Runtime;

use crate::dice::Dice;
use crate::door::DEPTH;
use crate::peers::process;
use crate::peers::service::ProbeClient;
use crate::stage::{self, Stage};
use crate::tally::Tally;

/// Calls that a server takes at once, so that some wait for credit.
const WINDOW: u32 = 24;

/// How long a call may outlive its server.
const LATE: Duration = Duration::from_secs(3);

/// How long a call may wait in a mailbox: one whose taker dies before it can say that it has it ends no earlier.
const PATIENCE: Duration = Duration::from_millis(500);

/// How calls are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Wait,
    Await,
}

/// What the callers of one life share.
struct Scene {
    slots: u64,
    /// Calls outlive the server, for a while.
    is_kept: bool,
    next: AtomicU64,
    answered: AtomicU64,
    outcomes: Mutex<Vec<(u64, Result<u64, Error>)>>,
}

impl Scene {
    /// The next calls and their numbers; none when the numbers have run out.
    fn batch(&self, probe: &ProbeClient, dice: &mut Dice) -> Vec<(u64, Call<u64>)> {
        let most = 1 + dice.below(20);
        let slots = (0..most).map(|_| self.next.fetch_add(1, Ordering::Relaxed)).filter(|s| *s < self.slots);
        let call = |slot| {
            let call = probe.work(slot, dice.below(4) as u32, dice.ballast());
            (slot, if self.is_kept { call.deadline(PATIENCE) } else { call })
        };
        let (slots, calls): (Vec<_>, Vec<_>) = slots.map(call).unzip();
        slots.into_iter().zip(farcall::submit_all(calls)).collect()
    }

    fn note(&self, slot: u64, outcome: Result<u64, Error>) {
        self.answered.fetch_add(1, Ordering::Release);
        self.outcomes.lock().unwrap().push((slot, outcome));
    }

    fn call_and_wait(&self, probe: &ProbeClient, mut dice: Dice) {
        loop {
            let batch = self.batch(probe, &mut dice);
            if batch.is_empty() {
                return;
            }
            batch.into_iter().for_each(|(slot, call)| self.note(slot, call.wait()));
        }
    }

    async fn call_and_await(&self, probe: &ProbeClient, mut dice: Dice) {
        loop {
            let batch = self.batch(probe, &mut dice);
            if batch.is_empty() {
                return;
            }
            for (slot, call) in batch {
                self.note(slot, call.await);
            }
        }
    }

    /// Kills the server once so many calls have been answered and a little more time has passed, or none has been answered
    /// for too long; when that was, and whether calls were answered until then.
    fn kill_after(&self, pid: u32, calls: u64, spins: u64) -> (Instant, bool) {
        let (mut before, mut until) = (0, Instant::now() + LATE);
        let goes_on = loop {
            let answered = self.answered.load(Ordering::Acquire);
            if answered >= calls || Instant::now() >= until {
                break answered >= calls;
            }
            if answered != before {
                (before, until) = (answered, Instant::now() + LATE);
            }
            thread::yield_now();
        };
        (0..spins).for_each(|_| std::hint::spin_loop());
        process::kill(pid);
        (Instant::now(), goes_on)
    }
}

/// One life over this wire.
pub(crate) fn live(wire: &str, style: Style, runtime: &Runtime, directory: &Path, dice: &mut Dice) -> Tally {
    let slots = if dice.below(16) == 0 { 400 } else { 40 + dice.below(60) };
    std::fs::write(stage::journal(directory), vec![0; slots as usize * 2]).expect("a journal");
    let journal = File::open(stage::journal(directory)).expect("a journal");
    let is_kept = stage::is_kept(wire);
    let stage = Stage::raise(wire, directory, WINDOW);
    let (next, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let scene = Scene { slots, is_kept, next, answered, outcomes: Mutex::default() };
    let (calls, spins) = (dice.below(slots * 3 / 4), dice.below(20_000));
    let callers = [dice.split(), dice.split(), dice.split()];
    let url = stage.url.as_str();
    let ask = |probe: &ProbeClient| match style {
        Style::Wait => probe.pid().wait(),
        Style::Await => runtime.block_on(async { probe.pid().await }),
    };
    let probe: ProbeClient = match style {
        Style::Wait => farcall::connect(url).wait().unwrap(),
        Style::Await => runtime.block_on(async { farcall::connect(url).await }).unwrap(),
    };
    let pid = ask(&probe).unwrap();
    let ((killed, goes_on), successor) = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let killed = scene.kill_after(pid, calls, spins);
            (killed, is_kept.then(|| Stage::raise(wire, directory, WINDOW)))
        });
        match style {
            Style::Wait => callers.into_iter().for_each(|dice| {
                scope.spawn(|| scene.call_and_wait(&probe, dice));
            }),
            Style::Await => runtime.block_on(async {
                let [one, two, three] = callers.map(|dice| scene.call_and_await(&probe, dice));
                tokio::join!(one, two, three);
            }),
        }
        killer.join().expect("the killer kills")
    });
    let (kept, patience) = (killed.elapsed(), if is_kept { PATIENCE * 2 } else { Duration::ZERO });
    assert!(goes_on, "{wire}: nothing was answered for {LATE:?} though the server lived");
    assert!(kept < LATE + patience, "{wire}: callers were kept for {kept:?} after the kill");
    // The first touch may be how the end is noticed.
    let first = ask(&probe);
    if let Some(successor) = successor {
        assert_ne!(first.ok(), Some(pid), "{wire}: another takes what is put now");
        drop((stage, successor));
    } else {
        let fate = ask(&probe).unwrap_err().fate();
        assert_eq!(fate, Fate::NotSent, "{wire}: what is started after the end is never sent");
    }
    settle(wire, scene, &journal)
}

/// Compares what was told with what was done.
fn settle(wire: &str, scene: Scene, journal: &File) -> Tally {
    let is_kept = scene.is_kept;
    let outcomes = scene.outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len() as u64, scene.slots, "{wire}: every call has an end");
    let mut tally = Tally { kills: 1, ..Tally::default() };
    for (slot, outcome) in &outcomes {
        let mut bits = [0; 2];
        journal.read_exact_at(&mut bits, slot * 2).unwrap();
        tally.judge(&format!("{wire}: call {slot}"), outcome, bits);
    }
    // A call without credit is not handed over, and credit comes back with a verdict: no more than the window are in doubt.
    // In a mailbox as many as it holds may have waited until their deadline.
    let most = WINDOW as usize + if is_kept { DEPTH as usize } else { 0 };
    let doubt =
        outcomes.iter().filter(|(_, outcome)| outcome.as_ref().is_err_and(|e| e.fate() == Fate::Unknown));
    let doubt = doubt.count();
    assert!(doubt <= most, "{wire}: {doubt} calls were in doubt, {most} at most had been handed over");
    tally
}
