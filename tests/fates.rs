//! Random kills with an oracle: what callers are told of their calls against what the server had written down.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use farcall::{Call, Error, Fate};
use peers::process::{self, alone, cast, exec_url};
use peers::service::{ProbeClient, ProbeServer, Subject};
use peers::watch;

/// Calls of one round; each has its number in the journal.
const SLOTS: u64 = 400;

/// Calls that a round's server takes at once, so that some wait for credit.
const WINDOW: u32 = 24;

/// How long a call may outlive its server.
const LATE: Duration = Duration::from_secs(3);

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

/// A small generator of numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Mostly small; now and then a message of several fragments.
    fn ballast(&mut self) -> Vec<u8> {
        let size = if self.below(12) == 0 { 300_000 } else { self.below(64) };
        vec![1; size as usize]
    }
}

/// What callers were told, by number.
type Outcomes = Mutex<Vec<(u64, Result<u64, Error>)>>;

/// How often each fate was seen.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    done: u64,
    not_sent: u64,
    not_executed: u64,
    unknown: u64,
    started: u64,
    completed: u64,
}

fn journal(path: &Path) -> File {
    std::fs::write(path, vec![0; SLOTS as usize * 2]).expect("a journal");
    File::open(path).expect("a journal")
}

/// Makes calls until the numbers run out or the connection is gone; `answered` counts the results.
fn call_on(probe: &ProbeClient, next: &AtomicU64, answered: &AtomicU64, outcomes: &Outcomes, mut dice: Dice) {
    loop {
        let batch = 1 + dice.below(20);
        let mut calls: Vec<(u64, Call<u64>)> = Vec::new();
        for _ in 0..batch {
            let slot = next.fetch_add(1, Ordering::Relaxed);
            if slot < SLOTS {
                calls.push((slot, probe.work(slot, dice.below(4) as u32, dice.ballast())));
            }
        }
        if calls.is_empty() {
            return;
        }
        let (slots, calls): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
        for (slot, call) in slots.into_iter().zip(farcall::submit_all(calls)) {
            let outcome = call.wait();
            answered.fetch_add(1, Ordering::Release);
            outcomes.lock().unwrap().push((slot, outcome));
        }
    }
}

/// Kills the server once so many calls have been answered and a little more time has passed.
fn kill_after(pid: u32, answered: &AtomicU64, calls: u64, spins: u64) {
    let until = Instant::now() + LATE;
    while answered.load(Ordering::Acquire) < calls && Instant::now() < until {
        thread::yield_now();
    }
    (0..spins).for_each(|_| std::hint::spin_loop());
    process::kill(pid);
}

/// One life of a server.
fn round(url: &str, pid: u32, probe: &ProbeClient, journal: &File, dice: &mut Dice, tally: &mut Tally) {
    let (next, answered, outcomes) = (AtomicU64::new(0), AtomicU64::new(0), Outcomes::default());
    let (calls, spins) = (dice.below(SLOTS * 3 / 4), dice.below(20_000));
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| kill_after(pid, &answered, calls, spins));
        for _ in 0..3 {
            let dice = Dice(dice.below(u64::MAX) | 1);
            scope.spawn(|| call_on(probe, &next, &answered, &outcomes, dice));
        }
    });
    assert!(began.elapsed() < 2 * LATE, "{url}: callers were kept for {:?}", began.elapsed());
    // The first touch may be how the end is noticed.
    let _ = probe.pid().wait();
    let error = probe.pid().wait().unwrap_err();
    assert_eq!(error.fate(), Fate::NotSent, "{url}: what is started after the end is never sent");
    let outcomes = outcomes.into_inner().unwrap();
    assert_eq!(outcomes.len() as u64, SLOTS, "{url}: every call has an end");
    tally.rounds += 1;
    for (slot, outcome) in outcomes {
        let mut bits = [0; 2];
        journal.read_exact_at(&mut bits, slot * 2).unwrap();
        check(url, slot, &outcome, bits, tally);
    }
}

/// Nothing is said that is not true, and nothing ran twice.
fn check(url: &str, slot: u64, outcome: &Result<u64, Error>, bits: [u8; 2], tally: &mut Tally) {
    let [started, finished] = bits;
    let context = format!("{url}: call {slot}: {outcome:?}, started {started}, finished {finished}");
    assert!(started <= 1 && finished <= started, "{context}");
    let (count, is_true) = match outcome.as_ref().map_err(Error::fate) {
        Ok(_) => (&mut tally.done, finished == 1),
        Err(Fate::NotSent) => (&mut tally.not_sent, started == 0),
        Err(Fate::NotExecuted) => (&mut tally.not_executed, started == 0),
        Err(Fate::Unknown) => (&mut tally.unknown, true),
        Err(Fate::Started) => (&mut tally.started, started == 1 && finished == 0),
        Err(Fate::Completed) => (&mut tally.completed, finished == 1),
    };
    *count += 1;
    assert!(is_true, "{context}");
}

/// Rounds over one wire until the time is over.
fn rounds(wire: &str, directory: &Path, time: Duration, dice: &mut Dice) -> Tally {
    let path: PathBuf = directory.join("journal");
    let mut tally = Tally::default();
    let began = Instant::now();
    while began.elapsed() < time {
        let journal = journal(&path);
        let url = match wire {
            "tcp" => format!("tcp://127.0.0.1:0?window={WINDOW}"),
            "unix" => format!("unix:{}?window={WINDOW}", directory.join("s").display()),
            _ => exec_url(Some(&path)),
        };
        let peer = (wire != "exec").then(|| cast("serve", &url).journal(&path).start());
        let url = peer.as_ref().map_or(url.as_str(), |peer| peer.url());
        let probe: ProbeClient = farcall::connect(url).wait().unwrap();
        let pid = probe.pid().wait().unwrap();
        round(url, pid, &probe, &journal, dice, &mut tally);
    }
    tally
}

/// Descriptors and threads of this process.
fn holdings() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("/proc is mounted").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Waits until threads that see off children have ended.
fn assert_nothing_is_left(before: (usize, usize)) {
    let until = Instant::now() + LATE;
    loop {
        let (fds, threads) = holdings();
        if fds <= before.0 && threads <= before.1 {
            return;
        }
        assert!(Instant::now() < until, "{fds} descriptors and {threads} threads, before {before:?}");
        thread::yield_now();
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// `FARCALL_KILL_SECONDS`: how long, 4 by default. `FARCALL_SEED`: another course of events.
#[test]
fn no_fate_contradicts_the_journal_of_a_server_that_was_killed() {
    let seconds = from_environment("FARCALL_KILL_SECONDS", 4);
    let _dog = watch(seconds * 2 + 40);
    alone("no_fate_contradicts_the_journal_of_a_server_that_was_killed", || {
        let _dog = watch(seconds * 2 + 30);
        let directory = tempfile::tempdir().unwrap();
        let mut dice = Dice(from_environment("FARCALL_SEED", 0x9E37_79B9_7F4A_7C15) | 1);
        // What a first call leaves for good (tables, a clock) does not count.
        rounds("unix", directory.path(), Duration::from_millis(1), &mut dice);
        let before = holdings();
        for wire in ["unix", "tcp", "exec"] {
            let time = Duration::from_millis(seconds * 1000 / 3);
            let tally = rounds(wire, directory.path(), time, &mut dice);
            eprintln!("{wire}: {tally:?}");
            assert!(tally.rounds > 2 && tally.done > 0, "{wire}: {tally:?}");
            // What never left is known not to have; exec: takes more at once than the callers make.
            assert!(tally.not_sent > 0 && tally.unknown > 0, "{wire}: {tally:?}");
        }
        assert_nothing_is_left(before);
        let unix = serve_once(directory.path());
        assert_eq!(unix, ["journal", "s.lock"], "what a server that took over and ended leaves");
        assert_nothing_is_left(before);
    });
}

/// A server takes the dead one's socket over, serves one call and ends; the names that are left.
fn serve_once(directory: &Path) -> Vec<String> {
    let url = format!("unix:{}", directory.join("s").display());
    let server = farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap();
    let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
    drop(probe);
    server.shutdown(Duration::from_secs(1)).wait().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
