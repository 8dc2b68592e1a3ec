//! Kills with an oracle: what callers are told of their calls against what the server had written down.

#[path = "../peers/mod.rs"]
#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

mod dice;
mod door;
mod handed_over;
mod life;
mod stage;
mod tally;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dice::Dice;
use life::{Style, live};
use peers::process::{self, alone};
use peers::remains::{Mark, others_in};
use peers::service::{ProbeClient, ProbeServer, Subject};
use peers::watch;
use peers::witness::Machine;
use tally::Tally;

/// Lives that go on beside each other.
const LANES: u64 = 4;

/// How long after the last life the last thread may end.
const LATE: Duration = Duration::from_secs(3);

/// How soon a successor serves.
const NEXT: Duration = Duration::from_millis(100);

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

/// When it is enough.
#[derive(Clone, Copy)]
enum Enough {
    Kills(u64),
    Time(Duration),
}

/// Lives over one wire, in one style, several beside each other.
fn lives(
    wire: &str,
    style: Style,
    directory: &Path,
    enough: Enough,
    dice: &mut Dice,
    marks: &Mutex<Vec<Mark>>,
) -> Tally {
    let (began, kills) = (Instant::now(), AtomicU64::new(0));
    let lane = |name: u64, mut dice: Dice| {
        let directory = directory.join(format!("{wire}-{name}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let _mailbox = stage::Mailbox(&directory);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut tally = Tally::default();
        while match enough {
            Enough::Kills(most) => kills.fetch_add(1, Ordering::Relaxed) < most,
            Enough::Time(time) => began.elapsed() < time,
        } {
            tally.add(&live(wire, style, &runtime, &directory, &mut dice));
            let mark = Mark::in_lock(&directory.join(format!("{wire}.lock")));
            marks.lock().unwrap().extend(mark);
        }
        tally
    };
    let mut whole = Tally::default();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|name| {
                let (lane, dice) = (&lane, dice.split());
                scope.spawn(move || lane(name, dice))
            })
            .collect();
        lanes.into_iter().for_each(|lane| whole.add(&lane.join().expect("a lane keeps its promises")));
    });
    eprintln!("{wire:7} {style:?} {:6.2} s {whole:?}", began.elapsed().as_secs_f64());
    whole
}

/// In memory, where it may be: whoever makes, removes or closes a file waits for a busy disk, for seconds.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

/// Descriptors, threads and shared mappings of this process.
fn holdings() -> [usize; 3] {
    let count = |path| std::fs::read_dir(path).expect("/proc is mounted").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let is_shared = |line: &&str| line.split(' ').nth(1).is_some_and(|access| access.ends_with('s'));
    let shared = maps.lines().filter(is_shared).count();
    [count("/proc/self/fd"), count("/proc/self/task"), shared]
}

/// Waits until threads that see off children have ended.
fn assert_nothing_is_left(before: [usize; 3]) {
    let until = Instant::now() + LATE;
    loop {
        let now = holdings();
        if now.iter().zip(&before).all(|(now, before)| now <= before) {
            return;
        }
        assert!(Instant::now() < until, "descriptors, threads, mappings: {now:?}, before {before:?}");
        thread::yield_now();
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// `FARCALL_KILLS`: how many, shared out among the wires; else `FARCALL_KILL_SECONDS`: how long, 4 by default.
/// `FARCALL_WIRES`: some of them, with commas between. `FARCALL_SEED`: another course of events.
///
/// A hundred thousand, in ten minutes on two processors:
/// `FARCALL_KILLS=100000 cargo test --release --test fates no_fate -- --nocapture`.
#[test]
fn no_fate_contradicts_the_journal_of_a_server_that_was_killed() {
    let seconds = from_environment("FARCALL_KILL_SECONDS").unwrap_or(4);
    let kills = from_environment("FARCALL_KILLS");
    let patience = kills.map_or(seconds * 2, |kills| kills / 20) + 30;
    let _dog = watch(patience + 10);
    alone("no_fate_contradicts_the_journal_of_a_server_that_was_killed", || {
        let _dog = watch(patience);
        let directory = place();
        let mut dice = Dice::new(from_environment("FARCALL_SEED").unwrap_or(0x9E37_79B9_7F4A_7C15));
        let wires = stage::wires();
        let parts = wires.len() as u64 * 2;
        let enough = kills.map_or(Enough::Time(Duration::from_millis(seconds * 1000 / parts)), |k| {
            Enough::Kills(k.div_ceil(parts))
        });
        let marks = Mutex::default();
        // What a first call leaves for good (tables, a clock) does not count.
        for style in [Style::Wait, Style::Await] {
            lives("unix", style, directory.path(), Enough::Kills(1), &mut dice, &marks);
        }
        let before = holdings();
        let (began, mut whole) = (Instant::now(), Tally::default());
        for wire in &wires {
            let mut tally = Tally::default();
            for style in [Style::Wait, Style::Await] {
                tally.add(&lives(wire, style, directory.path(), enough, &mut dice, &marks));
            }
            assert!(tally.kills > 2 && tally.done > 0, "{wire}: {tally:?}");
            // What waited for credit is known not to have left, and something is in doubt or was not taken. From a mailbox another
            // takes what is left.
            let says_enough = tally.not_sent > 0 && tally.unknown + tally.not_executed > 0;
            assert!(says_enough || stage::is_kept(wire), "{wire}: {tally:?}");
            whole.add(&tally);
        }
        let time = began.elapsed().as_secs_f64();
        eprintln!("{} kills in {time:.1} s, {:.0} a second", whole.kills, whole.kills as f64 / time);
        assert_nothing_is_left(before);
        successors_find_nothing(directory.path());
        let left: Vec<_> = marks.into_inner().unwrap().iter().flat_map(Mark::names).collect();
        assert_eq!(left, [""; 0], "names in the tables of the kernel");
        assert_nothing_is_left(before);
    });
}

#[test]
fn exactly_the_calls_that_were_not_handed_over_were_not_sent() {
    let _dog = watch(90);
    let mut dice = Dice::new(from_environment("FARCALL_SEED").unwrap_or(0xD1B5_4A32_D192_ED03));
    let directory = place();
    let _mailbox = stage::Mailbox(directory.path());
    // What lies in a socket of tcp: dies with it.
    for wire in stage::wires().into_iter().filter(|wire| *wire != "tcp") {
        for style in [Style::Wait, Style::Await] {
            handed_over::knock_often(wire, style, 12, directory.path(), &mut dice);
        }
    }
}

/// In each place a server takes over from the dead at once, serves one call and ends: nothing is left but the lock. What is left
/// of a mailbox is seen to when it goes.
fn successors_find_nothing(directory: &Path) {
    for lane in 0..LANES {
        for wire in stage::wires_with_a_place() {
            let directory = directory.join(format!("{wire}-{lane}"));
            if directory.exists() {
                serve_once(&stage::url(wire, &directory));
                let lock = format!("{wire}.lock");
                let left = others_in(&directory, &["journal", &lock]);
                assert_eq!(left, [""; 0], "{wire}: what a server that took over and ended leaves");
            }
        }
    }
}

fn serve_once(url: &str) {
    let (machine, began) = (Machine::since_now(), Instant::now());
    let server = farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap();
    let probe: ProbeClient = farcall::connect(url).wait().unwrap();
    assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
    let (time, held_back) = (began.elapsed(), machine.held_back());
    assert!(time <= NEXT + held_back, "{url}: {time:?}, of which the machine took {held_back:?}");
    drop(probe);
    server.shutdown(Duration::from_secs(1)).wait().unwrap();
}
