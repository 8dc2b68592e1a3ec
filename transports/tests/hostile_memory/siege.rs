//! A victim, the clients that it serves meanwhile, and what must hold after each attack.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use farcall::testkit::Watchdog;
use farcall_core::testkit::Chance;
use tempfile::TempDir;

use crate::victim::{HOSTS, Process, VictimClient, Vitals};

/// Times that each attack is tried, each time with other numbers, unless `FARCALL_ATTACKS` says otherwise.
const ROUNDS: u64 = 8;

/// What an attack may cost the victim while it lasts, in KiB.
const MEMORY: u64 = 16 * 1024;

/// Whatever the victim owes comes within this time, or the test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// How a connection ends whose peer has gone.
pub(crate) const LEFT: [&str; 2] = ["its process ended", "it closed the connection"];

pub(crate) fn rounds() -> u64 {
    std::env::var("FARCALL_ATTACKS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"))
}

/// Calls that a good client makes during a round.
const CALLS: u64 = 8;

/// See the module.
pub(crate) struct Siege {
    process: Process,
    controls: [VictimClient; 2],
    good: Vec<Good>,
    is_over: Arc<AtomicBool>,
    directory: TempDir,
}

/// A client whose calls succeed, whatever else happens.
struct Good {
    /// Has it make some calls.
    go: SyncSender<()>,
    made: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Good {
    fn new(client: VictimClient, is_over: Arc<AtomicBool>) -> Good {
        let (go, told) = sync_channel(1);
        let made = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&made);
        let thread = std::thread::spawn(move || {
            while told.recv().is_ok() {
                for n in 0..CALLS {
                    let sum = client.add(n, 1).wait();
                    assert!(sum == Ok(n + 1) || is_over.load(Ordering::Relaxed), "{sum:?}");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Good { go, made, thread }
    }

    /// It is still served.
    fn is_served(&self) {
        let (made, began) = (self.made.load(Ordering::Relaxed), Instant::now());
        while self.made.load(Ordering::Relaxed) < made + 4 {
            let _ = self.go.try_send(());
            assert!(!self.thread.is_finished(), "a good client's call failed");
            assert!(began.elapsed() < LIMIT, "a good client is not served");
            std::thread::yield_now();
        }
    }
}

impl Siege {
    pub(crate) fn lay() -> Siege {
        let directory = tempfile::tempdir().expect("a directory");
        let process = Process::start(directory.path());
        let connect = |scheme: &str, host: &str, options: &str| -> VictimClient {
            let url = format!("{scheme}:{}/{host}-{scheme}{options}", directory.path().display());
            farcall::connect(url).wait().expect("the victim serves")
        };
        let controls = HOSTS.map(|host| connect("unix", host, ""));
        let is_over = Arc::new(AtomicBool::new(false));
        // One at each server, each with another trust.
        let good = [(HOSTS[0], "?wait=park"), (HOSTS[1], "?wait=park&trust=hostile")];
        let good =
            good.map(|(host, options)| Good::new(connect("shm", host, options), Arc::clone(&is_over))).into();
        Siege { process, controls, good, is_over, directory }
    }

    /// Where this host's server is asked for memory.
    pub(crate) fn door(&self, host: usize) -> PathBuf {
        self.directory.path().join(format!("{}-shm", HOSTS[host]))
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client of this host that has nothing to do with any attack.
    pub(crate) fn control(&self, host: usize) -> &VictimClient {
        &self.controls[host]
    }

    /// Why the connection that was marked with this number has ended, once it has.
    pub(crate) fn end_of(&self, host: usize, mark: u64) -> String {
        let began = Instant::now();
        loop {
            if let Some(end) = self.control(host).end_of(mark).wait().expect("the victim lives") {
                return end;
            }
            assert!(began.elapsed() < LIMIT, "the connection does not end");
            std::thread::yield_now();
        }
    }

    /// How the victim is now; its peak begins anew.
    fn vitals(&self) -> Vitals {
        self.control(0).vitals().wait().expect("the victim lives")
    }

    /// Carries an attack out so often, and looks after the victim. `act` gets the round and its chance.
    pub(crate) fn suffer(&mut self, name: &str, rounds: u64, mut act: impl FnMut(&Siege, u64, &mut Chance)) {
        let seed = name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        // What is used at first, such as the threads' own memory, is no matter of the attack.
        act(self, 0, &mut Chance::new(seed));
        let before = self.settled(None);
        for round in 0..rounds {
            let _dog = Watchdog::over(&format!("{name}, round {round}"), 3 * LIMIT);
            let _scene = Scene { name, round };
            for good in &self.good {
                // Who has not yet made its calls of the last round goes on with them.
                let _ = good.go.try_send(());
            }
            act(self, round, &mut Chance::new(seed ^ round << 32));
        }
        let _scene = Scene { name, round: rounds };
        let after = self.settled(Some(before));
        let grown = after.peak.saturating_sub(before.memory);
        assert!(grown <= MEMORY, "the victim took {grown} KiB: {before:?}, {after:?}");
        assert!(self.process.is_alive());
        self.good.iter().for_each(Good::is_served);
    }

    /// How the victim is once all that was connected has gone; `before`: so many descriptors it had.
    fn settled(&self, before: Option<Vitals>) -> Vitals {
        let began = Instant::now();
        let mut peak = 0;
        let mut last = usize::MAX;
        loop {
            let vitals = self.vitals();
            peak = vitals.peak.max(peak);
            let is_settled = match before {
                Some(before) => vitals.descriptors <= before.descriptors,
                None => vitals.descriptors == std::mem::replace(&mut last, vitals.descriptors),
            };
            if is_settled {
                return Vitals { peak, ..vitals };
            }
            assert!(began.elapsed() < LIMIT, "descriptors are left: {before:?}, {vitals:?}");
            std::thread::yield_now();
        }
    }

    /// Lets the good clients go; none of their calls has failed.
    pub(crate) fn lift(mut self) {
        for Good { go, thread, .. } in self.good.drain(..) {
            drop(go);
            assert!(thread.join().is_ok(), "a good client's call failed");
        }
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Says which attack it was if the test fails in it.
struct Scene<'a> {
    name: &'a str,
    round: u64,
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was the attack `{}`, round {}", self.name, self.round);
        }
    }
}
