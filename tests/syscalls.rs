//! A process killed at one system call after the other: its peer comes to an end, nothing is left that a
//! successor could stumble over, and the next session is there at once. Left out where `strace` may not trace.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use farcall::Fate;
use peers::process::{self, Peer, cast, exec_url};
use peers::remains::{Mark, others_in};
use peers::service::{Gauge, ProbeClient, ProbeServer, Subject};
use peers::watch;
use peers::witness::Machine;
use tempfile::TempDir;

/// How long a call may outlive its peer where no promise is at stake.
const LATE: Duration = Duration::from_secs(3);

/// How soon after a death the next session is there.
const NEXT: Duration = Duration::from_millis(100);

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

/// How often somebody looks before he sleeps differs from run to run: what all of so many runs reach, another one does as well.
const RUNS: usize = 3;

/// Every N-th system call is tried: `FARCALL_SYSCALL_STEP`, 7 by default.
fn step() -> usize {
    std::env::var("FARCALL_SYSCALL_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(7).max(1)
}

/// A call of the kernel: its name, and the how manieth of that name it is on its thread.
type Point = (String, usize);

/// What a tracer does.
enum Tracing<'a> {
    /// It writes down the calls.
    Note(&'a Path),
    /// It kills there.
    Kill(&'a Point),
}

impl Tracing<'_> {
    /// From now on, of this process and what it starts.
    fn process(&self, pid: u32) -> Option<Child> {
        self.begin(&["-f", "-p", &pid.to_string()])
    }

    /// From now on, of this thread alone.
    fn thread(&self, id: u32) -> Option<Child> {
        self.begin(&["-p", &id.to_string()])
    }

    fn begin(&self, of: &[&str]) -> Option<Child> {
        let mut strace = Command::new("strace");
        match self {
            Tracing::Note(path) => strace.arg("-o").arg(path),
            Tracing::Kill((name, at)) => {
                let inject = format!("inject={name}:signal=KILL:when={at}");
                strace.args(["-o", "/dev/null", "-e", &inject])
            }
        };
        strace.args(of).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut strace = strace.spawn().ok()?;
        let said = BufReader::new(strace.stderr.as_mut()?).lines().next()?.ok()?;
        if said.contains("attached") {
            return Some(strace);
        }
        let _ = strace.wait();
        None
    }
}

/// The points that a tracer has noted, in the order in which they were first reached.
fn points(notes: &str) -> Vec<Point> {
    let (mut counts, mut points) = (HashMap::new(), Vec::new());
    for line in notes.lines() {
        let line = line.trim_start();
        // With several threads, each line begins with a number.
        let (thread, call) = match line.split_once(' ') {
            Some((number, call)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                (number, call.trim_start())
            }
            _ => ("", line),
        };
        let Some((name, _)) = call.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') || name.starts_with("exit")
        {
            continue;
        }
        let count = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0);
        *count += 1;
        if !points.contains(&(name.to_owned(), *count)) {
            points.push((name.to_owned(), *count));
        }
    }
    points
}

/// Runs `scene` some times to see which calls there are, and then for one after the other; it says whether the process was
/// killed.
fn each_call(what: &str, mut scene: impl FnMut(&Tracing<'_>) -> Option<bool>) {
    // In how many runs each of them was reached.
    let (mut points, mut reached) = (Vec::new(), HashMap::new());
    for _ in 0..RUNS {
        let notes = tempfile::NamedTempFile::new().unwrap();
        let Some(killed) = scene(&Tracing::Note(notes.path())) else {
            return eprintln!("{what}: left out, strace is not here or may not trace");
        };
        assert!(!killed, "{what}: it ends well if nobody kills it");
        for point in self::points(&std::fs::read_to_string(notes.path()).unwrap()) {
            let runs: &mut usize = reached.entry(point.clone()).or_default();
            *runs += 1;
            if *runs == 1 {
                points.push(point);
            }
        }
    }
    let (mut kills, mut tried, mut common) = (0, 0, 0);
    for point in points.iter().step_by(step()) {
        let killed = usize::from(scene(&Tracing::Kill(point)) == Some(true));
        tried += 1;
        if reached[point] == RUNS {
            (common, kills) = (common + 1, kills + killed);
        }
    }
    eprintln!("{what}: {tried} of {} points; {kills} kills at {common} that all runs reach", points.len());
    // Which thread waits for which differs from run to run.
    let reached_by_all = reached.values().filter(|runs| **runs == RUNS).count();
    assert!(reached_by_all > 20 && common > 0 && kills * 2 >= common, "{what}: killed too seldom");
}

/// Whether it was killed; the tracer is gone then too.
fn was_killed(peer: &mut Peer, mut strace: Child) -> bool {
    peer.let_go();
    let killed = !peer.bury().success();
    strace.wait().expect("the tracer ends with whom it traces");
    killed
}

/// Calls until something goes wrong or it is enough. What goes wrong goes wrong soon, and has a fate.
fn converse(url: &str) {
    let began = Instant::now();
    if let Ok(probe) = farcall::connect(url).wait() as Result<ProbeClient, _> {
        let hanging = probe.hang().submit();
        let answers = (0..5).map(|n| probe.add(n, 1).wait().map(|sum| assert_eq!(sum, n + 1)));
        let end = answers.collect::<Result<(), _>>().and_then(|()| probe.blob(200_000).wait().map(drop));
        if let Err(error) = end {
            for error in [error, hanging.wait().unwrap_err()] {
                let fates = [Fate::Unknown, Fate::NotSent, Fate::NotExecuted];
                assert!(fates.contains(&error.fate()), "{error:?}");
            }
        }
    }
    assert!(began.elapsed() < LATE, "the caller was kept for {:?}", began.elapsed());
}

/// A server at the same place is there at once, and nothing is left of the dead but the lock.
fn next_session(place: &Place) {
    let before = place.lock().and_then(|lock| Mark::in_lock(&lock));
    let (machine, began) = (Machine::since_now(), Instant::now());
    let server = farcall::serve(place.server(), ProbeServer::new(Subject::default())).wait().unwrap();
    let served = began.elapsed();
    let probe: ProbeClient = farcall::connect(&place.url).wait().unwrap();
    let connected = began.elapsed();
    assert_eq!(probe.add(20, 22).wait().unwrap(), 42);
    let (time, held_back, url) = (began.elapsed(), machine.held_back(), &place.url);
    assert!(
        time <= NEXT + held_back,
        "{url}: {time:?}, of which the machine took {held_back:?}; served after {served:?}, connected after {connected:?}"
    );
    drop(probe);
    let left: Vec<_> = before.iter().flat_map(Mark::names).collect();
    assert_eq!(left, [""; 0], "{url}: names in the tables of the kernel");
    server.shutdown(Duration::ZERO).wait().unwrap();
    assert_eq!(others_in(place.directory.path(), &["s.lock"]), [""; 0], "{url}: names in its directory");
}

/// Where a server is to be found.
struct Place {
    wire: &'static str,
    directory: TempDir,
    url: String,
}

impl Place {
    fn of(wire: &'static str) -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // In memory, where it may be: a busy disk keeps whoever makes or removes a file waiting for longer than `NEXT`, and
        // the kernel does not say for how long.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("farcall-syscalls-{}-{number}", std::process::id());
        let path = directory.path().join("s");
        let url = if wire == MAILBOX { format!("mailbox:/{name}") } else { url(wire, &path) };
        Place { wire, directory, url }
    }

    /// For those who call: in a mailbox only its deadline ends a call that nobody takes.
    fn caller(&self) -> String {
        format!("{}{}", self.url, if self.wire == MAILBOX { "?deadline=150ms" } else { "" })
    }

    /// For a server: it takes other calls beside one that hangs.
    fn server(&self) -> String {
        format!("{}{}", self.url, if self.wire == MAILBOX { "?take=8" } else { "" })
    }

    fn lock(&self) -> Option<PathBuf> {
        (self.wire != MAILBOX).then(|| self.directory.path().join("s.lock"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.wire == MAILBOX {
            let _ = farcall::remove_mailbox(&self.url);
        }
    }
}

const MAILBOX: &str = "mailbox";

fn url(wire: &str, path: &Path) -> String {
    let (scheme, options) = match wire {
        "posix" => ("shm", "?memory=posix&trust=trusted"),
        "sysv" => ("shm", "?memory=sysv"),
        "mmap" => ("mmap", "?trust=trusted"),
        other => (other, ""),
    };
    format!("{scheme}:{}{options}", path.display())
}

/// The wires with a meeting point in the file system or a name, as far as this build has them.
fn wires() -> impl Iterator<Item = &'static str> {
    let known = |wire: &&str| {
        let nobody: Result<ProbeClient, _> = farcall::connect(url(wire, Path::new("/nobody/here"))).wait();
        nobody.err().is_some_and(|error| !error.to_string().contains("there is no wire"))
    };
    let has_mailboxes = farcall::remove_mailbox("mailbox:/nobody").is_ok();
    let wires = ["unix", "shm", "posix", "sysv", "mmap", "mq", "fifo"].into_iter().filter(known);
    wires.chain(std::iter::once(MAILBOX).filter(move |_| has_mailboxes))
}

#[test]
fn a_server_killed_at_any_system_call_of_its_beginning_leaves_its_place_free() {
    let _dog = watch(300);
    for wire in wires() {
        each_call(&format!("{wire}: beginning"), |tracing| {
            let place = Place::of(wire);
            let mut peer = cast("serve", &place.server()).paused().start();
            let strace = tracing.process(peer.pid())?;
            if peer.go().is_some() {
                converse(&place.caller());
            }
            let killed = was_killed(&mut peer, strace);
            next_session(&place);
            Some(killed)
        });
    }
}

#[test]
fn a_server_killed_at_any_system_call_of_a_session_keeps_nobody_waiting() {
    let _dog = watch(300);
    for wire in wires() {
        each_call(&format!("{wire}: serving"), |tracing| {
            let place = Place::of(wire);
            let mut peer = cast("serve", &place.server()).start();
            let strace = tracing.process(peer.pid())?;
            converse(&place.caller());
            let killed = was_killed(&mut peer, strace);
            next_session(&place);
            Some(killed)
        });
    }
}

#[test]
fn a_client_killed_at_any_system_call_leaves_nothing_behind() {
    let _dog = watch(300);
    for wire in wires() {
        let place = Place::of(wire);
        let subject = Subject::default();
        let gauge = Gauge::clone(&subject.hanging);
        let server = farcall::serve(place.server(), ProbeServer::new(subject)).wait().unwrap();
        each_call(&format!("{wire}: calling"), |tracing| {
            let mut peer = cast("visit", &place.caller()).paused().start();
            let strace = tracing.process(peer.pid())?;
            let _ = peer.go();
            let killed = was_killed(&mut peer, strace);
            gone_from(&gauge);
            let (machine, began) = (Machine::since_now(), Instant::now());
            let probe: ProbeClient = farcall::connect(&place.url).wait().unwrap();
            assert_eq!(probe.add(20, 22).wait().unwrap(), 42);
            let (time, held_back) = (began.elapsed(), machine.held_back());
            let url = server.url();
            assert!(time <= NEXT + held_back, "{url}: {time:?}, of which the machine took {held_back:?}");
            Some(killed)
        });
        server.shutdown(Duration::ZERO).wait().unwrap();
        next_session(&place);
    }
}

fn gone_from(gauge: &Gauge) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        gauge.subscribe().wait_for(|hanging| *hanging == 0).await.unwrap();
    });
}

#[test]
fn a_parent_killed_at_any_system_call_takes_its_child_with_it() {
    let _dog = watch(300);
    each_call("exec: calling", |tracing| {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal");
        std::fs::write(&journal, []).unwrap();
        let mut peer = cast("visit", &exec_url("", Some(&journal))).paused().start();
        // The thread of the play alone, so that children are not traced.
        let strace = tracing.thread(last_thread(peer.pid()))?;
        let _ = peer.go();
        let killed = was_killed(&mut peer, strace);
        let until = Instant::now() + LATE;
        while is_played(&journal) {
            assert!(Instant::now() < until, "the child outlives its parent");
            std::thread::yield_now();
        }
        Some(killed)
    });
}

fn last_thread(pid: u32) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks.filter_map(|task| task.file_name().to_string_lossy().parse().ok()).max().unwrap()
}

/// Whether a process is there that writes into this journal, or is about to.
fn is_played(journal: &Path) -> bool {
    let journal = journal.to_str().unwrap().as_bytes();
    let names = |path: std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|text| text.windows(journal.len()).any(|part| part == journal))
    };
    let mut processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.any(|process| names(process.path().join("environ")) || names(process.path().join("cmdline")))
}
