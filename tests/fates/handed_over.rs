//! The server stands still and dies with calls before its door: what had not been handed over whole was `NotSent`, and
//! nothing else was. Read from the server's own end of the wire, which is kept open past its death.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use farcall::{Error, Fate};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use crate::dice::Dice;
use crate::door::{Door, other_end};
use crate::life::Style;
use crate::peers::process;
use crate::peers::service::ProbeClient;
use crate::stage::{Stage, is_kept};

/// How long calls wait in a mailbox where nobody takes them.
const PATIENCE: Duration = Duration::from_millis(500);

/// Calls of one round at most; a number below 251 is one byte.
const MOST: u64 = 120;

fn stop(pid: u32) {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process number");
    kill_process(number, Signal::STOP).expect("the server lives");
    let stands = |task: std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("stat"))
            .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    };
    let tasks = || std::fs::read_dir(format!("/proc/{pid}/task")).expect("the server lives").flatten();
    while !tasks().all(stands) {
        std::thread::yield_now();
    }
}

/// Calls before a door that stays shut; what each was told, by number, and the numbers of those that lay there whole.
fn knock(
    wire: &str,
    style: Style,
    runtime: &Runtime,
    directory: &Path,
    dice: &mut Dice,
) -> (Vec<Error>, HashSet<u64>) {
    std::fs::write(directory.join("journal"), vec![0; MOST as usize * 2]).expect("a journal");
    let stage = Stage::raise(wire, directory, 256);
    let pipe = other_end(&stage.url);
    let probe: ProbeClient = match style {
        Style::Wait => farcall::connect(stage.url.as_str()).wait().unwrap(),
        Style::Await => runtime.block_on(async { farcall::connect(stage.url.as_str()).await }).unwrap(),
    };
    let pid = match style {
        Style::Wait => probe.pid().wait().unwrap(),
        Style::Await => runtime.block_on(async { probe.pid().await }).unwrap(),
    };
    stop(pid);
    let door = Door::of(wire, pipe, pid);
    let largest = if dice.below(2) == 0 { 64 } else { 100_000 };
    let calls: Vec<_> = (0..1 + dice.below(MOST - 1))
        .map(|slot| {
            let call = probe.work(slot, 0, vec![1; dice.below(largest) as usize]);
            if is_kept(wire) { call.deadline(PATIENCE) } else { call }
        })
        .collect();
    let errors = match style {
        Style::Wait => {
            let calls = farcall::submit_all(calls);
            process::kill(pid);
            calls.into_iter().map(|call| call.wait().unwrap_err()).collect()
        }
        Style::Await => runtime.block_on(async {
            let calls: Vec<_> = farcall::submit_all(calls).into_iter().map(tokio::spawn).collect();
            // Each is polled once.
            tokio::task::yield_now().await;
            process::kill(pid);
            let mut errors = Vec::new();
            for call in calls {
                errors.push(call.await.unwrap().unwrap_err());
            }
            errors
        }),
    };
    let journal = std::fs::read(directory.join("journal")).expect("a journal");
    assert!(journal.iter().all(|bit| *bit == 0), "{wire}: a server that stands still serves nothing");
    (errors, door.whole_calls())
}

/// Whether what is left in the wire proves what a dead peer has not seen.
fn proves(wire: &str) -> bool {
    ["shm", "posix", "sysv", "mmap", "mq"].contains(&wire)
}

/// Rounds over this wire; how many calls had been handed over and how many not.
pub(crate) fn knock_often(wire: &str, style: Style, rounds: u64, directory: &Path, dice: &mut Dice) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut handed, mut kept, mut unread, mut late) = (0, 0, 0, 0);
    for _ in 0..rounds {
        let (errors, whole) = knock(wire, style, &runtime, directory, dice);
        for (slot, error) in (0..).zip(&errors) {
            let context = format!("{wire}: call {slot} of {}: {error:?}", errors.len());
            match error.fate() {
                Fate::NotSent => kept += 1,
                Fate::NotExecuted if proves(wire) => unread += 1,
                Fate::Unknown => handed += 1,
                _ => panic!("{context}"),
            }
            // Whoever is woken after the deadline knows less than he would have known before it.
            if is_kept(wire) && error.fate() == Fate::Unknown && !whole.contains(&slot) {
                late += 1;
            } else if !proves(wire) {
                assert_eq!(error.fate() == Fate::NotSent, !whole.contains(&slot), "{context}");
            }
        }
    }
    eprintln!("{wire} {style:?}: {handed} calls handed over, {unread} known to be unread, {kept} not sent");
    if proves(wire) {
        assert!(unread > 0 && handed * 99 <= unread, "{handed} of {} unread calls in doubt", unread + handed);
    } else {
        assert!(handed > 0 && kept > 0, "{wire}: {handed} calls handed over, {kept} not");
        assert!(late * 10 <= kept, "{wire}: {late} calls in doubt that were not handed over, besides {kept}");
    }
}
