//! A kill with a witness: when the kernel said so to a plain thread, and how long the machine kept threads from running.
//!
//! A promise about time is ours to keep only while there is a processor to keep it on. The kernel counts for each thread
//! how long it stood ready and was not run; what a round took beyond that is ours.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Threads whose waits for a processor follow upon each other at most: who notices, who is told, who holds a lock that it
/// needs, and itself once more.
const CHAIN: usize = 4;

/// A process that has been killed.
pub struct Death {
    killed: Instant,
    kernel: JoinHandle<Instant>,
    machine: Machine,
}

/// What the machine has kept from this process since a moment.
pub struct Machine {
    delays: HashMap<String, Duration>,
    stolen: Duration,
}

impl Machine {
    /// From now on.
    pub fn since_now() -> Machine {
        Machine { delays: delays(), stolen: stolen() }
    }

    /// How long those threads were kept waiting for a processor that were kept longest, if one waited for the other. The
    /// threads must still be there.
    pub fn held_back(&self) -> Duration {
        let before = |thread: &String| self.delays.get(thread).copied().unwrap_or_default();
        let mut waits: Vec<Duration> =
            delays().iter().map(|(thread, now)| now.saturating_sub(before(thread))).collect();
        waits.sort_unstable_by(|a, b| b.cmp(a));
        waits.iter().take(CHAIN).sum::<Duration>() + stolen().saturating_sub(self.stolen)
    }
}

/// How long a thread has stood ready without a processor, by its number, for each thread of this process.
fn delays() -> HashMap<String, Duration> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted").flatten();
    let delay = |task: std::fs::DirEntry| {
        let line = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = line.split(' ').nth(1)?.parse().ok()?;
        Some((task.file_name().to_string_lossy().into_owned(), Duration::from_nanos(nanos)))
    };
    tasks.filter_map(delay).collect()
}

/// How long the machine beneath a virtual one has kept its processors from it.
fn stolen() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|line| line.split_ascii_whitespace().nth(8)?.parse().ok());
    let hertz = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.unwrap_or(0) * 1000 / hertz)
}

impl Death {
    /// `kill -9`.
    pub fn of(pid: u32) -> Death {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process number");
        let life = pidfd_open(pid, PidfdFlags::empty()).expect("the process lives");
        let (tx, at_its_place) = mpsc::channel();
        let watched = life.try_clone().expect("a descriptor");
        let kernel = std::thread::spawn(move || {
            tx.send(()).expect("somebody waits for it");
            readable(&watched)
        });
        at_its_place.recv().expect("the witness comes");
        let machine = Machine::since_now();
        let killed = Instant::now();
        pidfd_send_signal(&life, Signal::KILL).expect("the process can be killed");
        Death { killed, kernel, machine }
    }

    /// When it was.
    pub fn killed(&self) -> Instant {
        self.killed
    }

    /// Asserts that `end`, the last thing that follows from this death, came within `bound` of when the kernel had told
    /// of it and of when there was a processor to do it on. The threads that it took must still be there.
    pub fn was_noticed(self, end: Instant, bound: Duration) {
        let kernel = self.kernel.join().expect("the witness says when it was").max(self.killed);
        let machine = self.machine.held_back();
        let late = end.saturating_duration_since(kernel);
        assert!(
            late <= bound + machine,
            "noticed {late:?} after the kernel told of it, which was {:?} after the kill; the machine took {machine:?} of it",
            kernel - self.killed,
        );
    }
}

fn readable(life: &OwnedFd) -> Instant {
    let mut fds = [PollFd::new(life, PollFlags::IN)];
    while poll(&mut fds, None).is_err() {}
    Instant::now()
}
