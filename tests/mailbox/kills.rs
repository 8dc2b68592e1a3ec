//! Servers and callers of a mailbox that are killed.

use std::fs::File;
use std::future::Future as _;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use farcall::testkit::block_on;
use farcall::{Call, Code, Error, Fate, Gone};

use crate::Mailbox;
use crate::peers::process::{Peer, alone, cast};
use crate::peers::service::ProbeClient;
use crate::peers::watch;
use crate::peers::witness::Death;

/// Within which a taker's death ends its calls.
const NOTICE: Duration = Duration::from_millis(50);

#[test]
fn a_killed_server_costs_the_call_that_it_had_taken_and_no_other() {
    let _dog = watch(60);
    alone("kills::a_killed_server_costs_the_call_that_it_had_taken_and_no_other", || {
        // To a caller that is new to it the server sends a slip; for others it notes what it takes in its ledger.
        for is_new in [true, false] {
            let mailbox = Mailbox::new();
            let probe: ProbeClient = farcall::connect(&mailbox.0).wait().unwrap();
            let mut first = Peer::serving(&mailbox.with("take=2"));
            if !is_new {
                assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
            }
            let hanging = probe.hang().submit();
            assert_eq!(probe.hanging(1).wait().unwrap(), 1);
            let death = Death::of(first.pid());
            let error = hanging.wait().unwrap_err();
            death.was_noticed(Instant::now(), NOTICE);
            let said = (error.code(), error.fate());
            assert_eq!(said, (Code::PeerGone(Gone::Exited), Fate::Unknown), "new: {is_new}: {error}");
            first.bury();
            let waiting = probe.add(1, 2).submit();
            let _second = Peer::serving(&mailbox.0);
            assert_eq!(waiting.wait().unwrap(), 3, "what was put afterwards waits for the next");
        }
    });
}

/// How a caller waits for what never comes.
type Wait = fn(Call<()>) -> Error;

fn by_trying(mut call: Call<()>) -> Error {
    loop {
        match call.try_take() {
            Some(result) => return result.unwrap_err(),
            None => thread::yield_now(),
        }
    }
}

fn by_polling(call: Call<()>) -> Error {
    let (mut call, mut cx) = (pin!(call), Context::from_waker(Waker::noop()));
    loop {
        match call.as_mut().poll(&mut cx) {
            Poll::Ready(result) => return result.unwrap_err(),
            Poll::Pending => thread::yield_now(),
        }
    }
}

fn by_awaiting(call: Call<()>) -> Error {
    block_on(call).unwrap_err()
}

fn on_a_runtime(call: Call<()>) -> Error {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call).unwrap_err()
}

fn by_callback(call: Call<()>) -> Error {
    let (tx, rx) = std::sync::mpsc::channel();
    call.on_complete(move |result| tx.send(result).unwrap()).unwrap();
    rx.recv().unwrap().unwrap_err()
}

/// Kills the taker of a call that is waited for like this; the call has been started, or is by whoever waits.
fn kill_under(name: &str, wait: Wait, is_started: bool) {
    let mailbox = Mailbox::new();
    let probe: ProbeClient = farcall::connect(&mailbox.0).wait().unwrap();
    let witness: ProbeClient = farcall::connect(&mailbox.0).wait().unwrap();
    let peer = Peer::serving(&mailbox.with("take=2"));
    let call = if is_started { probe.hang().submit() } else { probe.hang() };
    let pid = peer.pid();
    let killer = thread::spawn(move || {
        assert_eq!(witness.hanging(1).wait().unwrap(), 1);
        Death::of(pid)
    });
    // Here, since the machine is asked what it has kept from the threads that are still there.
    let (error, end) = (wait(call), Instant::now());
    killer.join().unwrap().was_noticed(end, NOTICE);
    let said = (error.code(), error.fate());
    assert_eq!(said, (Code::PeerGone(Gone::Exited), Fate::Unknown), "{name}: {error}");
}

#[test]
fn whoever_polls_learns_of_a_takers_death_as_soon_as_whoever_sleeps() {
    let _dog = watch(60);
    alone("kills::whoever_polls_learns_of_a_takers_death_as_soon_as_whoever_sleeps", || {
        let ways: [(&str, Wait); 5] = [
            ("try_take", by_trying),
            ("poll", by_polling),
            ("await", by_awaiting),
            ("await on a runtime", on_a_runtime),
            ("on_complete", by_callback),
        ];
        for (name, wait) in ways {
            for is_started in [true, false] {
                (0..4).for_each(|_| kill_under(name, wait, is_started));
            }
        }
    });
}

#[test]
fn a_killed_caller_leaves_nothing_with_the_server() {
    let _dog = watch(60);
    let mailbox = Mailbox::new();
    let _server = Peer::serving(&mailbox.with("take=64"));
    let probe: ProbeClient = farcall::connect(&mailbox.0).wait().unwrap();
    let descriptors =
        || std::fs::read_dir(format!("/proc/{}/fd", _server.pid())).expect("/proc is mounted").count();
    assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
    let before = descriptors();
    for round in 1..=3 {
        let mut caller = cast("call", &mailbox.0).start();
        assert!(probe.hanging(10 * round).wait().unwrap() >= 10 * round);
        caller.kill();
        caller.bury();
    }
    assert_eq!(probe.add(2, 2).wait().unwrap(), 4);
    assert_eq!(descriptors(), before);
}

/// What the callers share.
struct Scene {
    slots: u64,
    next: AtomicU64,
    answered: AtomicU64,
    outcomes: Mutex<Vec<(u64, Result<u64, Error>)>>,
}

impl Scene {
    fn call(&self, url: &str) {
        let probe: ProbeClient = farcall::connect(url).wait().unwrap();
        loop {
            let first = self.next.fetch_add(8, Ordering::Relaxed);
            if first >= self.slots {
                return;
            }
            let slots = first..self.slots.min(first + 8);
            let ballast = |slot: u64| vec![1; if slot.is_multiple_of(64) { 30_000 } else { 10 }];
            let call = |slot| probe.work(slot, (slot % 4) as u32, ballast(slot)).deadline(PATIENCE);
            let calls = farcall::submit_all(slots.clone().map(call));
            for (slot, call) in slots.zip(calls) {
                let outcome = call.wait();
                self.answered.fetch_add(1, Ordering::Release);
                self.outcomes.lock().unwrap().push((slot, outcome));
            }
        }
    }
}

/// A call that is taken by a server which dies before it can say so ends no earlier.
const PATIENCE: Duration = Duration::from_secs(4);

/// `FARCALL_MAILBOX_CALLS`: how many calls, 10,000 by default.
#[test]
fn each_call_is_made_at_most_once_and_its_fate_is_true_while_servers_are_killed() {
    let _dog = watch(120);
    alone("kills::each_call_is_made_at_most_once_and_its_fate_is_true_while_servers_are_killed", || {
        let slots =
            std::env::var("FARCALL_MAILBOX_CALLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
        let mailbox = Mailbox::new();
        let journal = tempfile::NamedTempFile::new().unwrap();
        journal.as_file().set_len(slots * 2).unwrap();
        let (next, answered) = (AtomicU64::new(0), AtomicU64::new(0));
        let scene = Scene { slots, next, answered, outcomes: Mutex::default() };
        let start = || cast("serve", &mailbox.with("take=4")).journal(journal.path()).start();
        let mut servers = [start(), start(), start()];
        let is_over = AtomicBool::new(false);
        let kills = thread::scope(|scope| {
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| scene.call(&mailbox.0))).collect();
            let killer = scope.spawn(|| {
                let (mut kills, mut at, mut dice) = (0_u64, 100, 0x9E37_79B9_7F4A_7C15_u64);
                while !is_over.load(Ordering::Acquire) {
                    if scene.answered.load(Ordering::Acquire) < at {
                        thread::yield_now();
                        continue;
                    }
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let victim = &mut servers[(dice >> 33) as usize % 3];
                    victim.kill();
                    victim.bury();
                    *victim = start();
                    kills += 1;
                    at = scene.answered.load(Ordering::Acquire) + 50 + (dice >> 40) % 200;
                }
                kills
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            is_over.store(true, Ordering::Release);
            killer.join().unwrap()
        });
        drop(servers);
        judge(&scene, journal.as_file(), kills);
    });
}

/// What callers were told, against what servers had written down.
fn judge(scene: &Scene, journal: &File, kills: u64) {
    let outcomes = scene.outcomes.lock().unwrap();
    assert_eq!(outcomes.len() as u64, scene.slots, "every call has ended");
    let mut failed = [0_u64; 2];
    for (slot, outcome) in outcomes.iter() {
        let mut bits = [0; 2];
        journal.read_exact_at(&mut bits, slot * 2).unwrap();
        let [started, finished] = bits;
        let context = format!("{slot}: {outcome:?}, started {started}, finished {finished}");
        assert!(started <= 1 && finished <= started, "{context}");
        match outcome.as_ref().map_err(Error::fate) {
            Ok(_) => assert_eq!(finished, 1, "{context}"),
            Err(Fate::NotSent | Fate::NotExecuted) => assert_eq!(started, 0, "{context}"),
            Err(Fate::Unknown) => {
                failed[usize::from(outcome.as_ref().is_err_and(|e| e.code() == Code::DeadlineExceeded))] += 1
            }
            Err(fate) => panic!("{fate:?} cannot be known: {context}"),
        }
    }
    eprintln!(
        "{} calls, {kills} kills, lost with their server {}, before it could say so {}",
        scene.slots, failed[0], failed[1]
    );
    assert!(kills > 5, "{kills} kills");
    // Four calls at most are lost with each server.
    assert!(failed[0] + failed[1] <= kills * 4, "{failed:?} of {kills} kills");
}
