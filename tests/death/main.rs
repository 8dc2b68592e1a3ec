//! Peers that die: every call ends soon and with the right fate, whoever still holds the wire open.

#[path = "../peers/mod.rs"]
#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

mod heirs;

use std::future::Future;
use std::sync::{RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use farcall::{Call, Code, Error, Fate, Gone};
use heirs::{Heirs, kernel_names_speakers};
use peers::process::{self, Peer, cast, exec_url};
use peers::service::{Gauge, ProbeClient, ProbeServer, Subject};
use peers::watch;
use peers::witness::Death;
use tempfile::TempDir;

/// What a local wire promises.
const SOON: Duration = Duration::from_millis(50);

/// What a time may become that nobody promises.
const LATE: Duration = Duration::from_secs(3);

/// Kills that are tried in each setting; every one counts.
const ROUNDS: usize = 8;

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn socket(directory: &TempDir) -> String {
    format!("unix:{}", directory.path().join("s").display())
}

fn ring(directory: &TempDir) -> String {
    format!("shm:{}", directory.path().join("r").display())
}

/// The URL under which clients find the server, and the server where it is not started by them.
fn server(wire: &str, directory: &TempDir) -> (String, Option<Peer>) {
    let url = match wire {
        "exec" => return (exec_url("", None), None),
        "tcp" => "tcp://127.0.0.1:0".to_owned(),
        "shm" => ring(directory),
        _ => socket(directory),
    };
    let peer = Peer::serving(&url);
    (peer.url().to_owned(), Some(peer))
}

fn is_gone(error: &Error) -> bool {
    matches!(error.code(), Code::PeerGone(Gone::Exited | Gone::Hup | Gone::Reset))
}

/// So many threads wait for calls that hang; the server is killed; what each was told.
fn kill_under(threads: usize, probe: &ProbeClient, pid: u32) -> Vec<Error> {
    let (tx, rx) = mpsc::channel();
    let judged = RwLock::new(());
    thread::scope(|scope| {
        // Threads stay until they have been looked at.
        let judging = judged.write().unwrap();
        for _ in 0..threads {
            let (tx, judged) = (tx.clone(), &judged);
            scope.spawn(move || {
                let error = probe.hang().wait().unwrap_err();
                tx.send((Instant::now(), error)).unwrap();
                drop(judged.read());
            });
        }
        assert_eq!(probe.hanging(threads).wait().unwrap(), threads);
        let death = Death::of(pid);
        let (ends, errors): (Vec<_>, Vec<_>) = rx.iter().take(threads).unzip();
        death.was_noticed(ends.into_iter().max().unwrap(), SOON);
        drop(judging);
        errors
    })
}

/// A hundred threads wait for calls that hang; the server is killed.
fn kill_under_threads(wire: &str) {
    let directory = directory();
    let (url, _peer) = server(wire, &directory);
    let probe: ProbeClient = farcall::connect(url).wait().unwrap();
    let pid = probe.pid().wait().unwrap();
    for error in kill_under(100, &probe, pid) {
        assert!(is_gone(&error), "{error:?}");
        assert_eq!(error.fate(), Fate::Unknown, "{error:?}");
    }
    assert_eq!(probe.add(1, 1).wait().unwrap_err().fate(), Fate::NotSent);
}

#[test]
fn threads_that_wait_over_a_unix_socket_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| kill_under_threads("unix"));
}

#[test]
fn threads_that_wait_over_tcp_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| kill_under_threads("tcp"));
}

#[test]
fn threads_that_wait_over_shared_memory_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| kill_under_threads("shm"));
}

#[test]
fn threads_that_wait_for_a_child_learn_of_its_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| kill_under_threads("exec"));
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The same with a hundred tasks.
async fn kill_under_tasks(wire: &str) {
    let directory = directory();
    let (url, _peer) = server(wire, &directory);
    let probe: ProbeClient = farcall::connect(url).await.unwrap();
    let pid = probe.pid().await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let call = probe.hang();
            tokio::spawn(async move { (call.await.unwrap_err(), Instant::now()) })
        })
        .collect();
    assert_eq!(probe.hanging(100).await.unwrap(), 100);
    let death = Death::of(pid);
    let mut last = death.killed();
    for task in tasks {
        let (error, at) = task.await.unwrap();
        assert!(is_gone(&error), "{error:?}");
        assert_eq!(error.fate(), Fate::Unknown, "{error:?}");
        last = last.max(at);
    }
    death.was_noticed(last, SOON);
    assert_eq!(probe.add(1, 1).await.unwrap_err().fate(), Fate::NotSent);
}

#[test]
fn tasks_that_wait_over_a_unix_socket_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| on_a_runtime(kill_under_tasks("unix")));
}

#[test]
fn tasks_that_wait_over_tcp_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| on_a_runtime(kill_under_tasks("tcp")));
}

#[test]
fn tasks_that_wait_over_shared_memory_learn_of_a_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| on_a_runtime(kill_under_tasks("shm")));
}

#[test]
fn tasks_that_wait_for_a_child_learn_of_its_kill() {
    let _dog = watch(40);
    (0..ROUNDS).for_each(|_| on_a_runtime(kill_under_tasks("exec")));
}

#[test]
fn calls_without_credit_at_a_kill_were_not_sent_and_the_others_are_unknown() {
    let _dog = watch(20);
    let directory = directory();
    let mut peer = Peer::serving(&format!("{}?window=60", socket(&directory)));
    let probe: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
    let control: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
    let calls = farcall::submit_all((0..100).map(|_| probe.hang()));
    control.hanging(60).wait().unwrap();
    peer.kill();
    let fates: Vec<Fate> = calls.into_iter().map(|call| call.wait().unwrap_err().fate()).collect();
    let (sent, queued) = fates.split_at(60);
    assert!(sent.iter().all(|fate| *fate == Fate::Unknown), "{sent:?}");
    assert!(queued.iter().all(|fate| *fate == Fate::NotSent), "{queued:?}");
}

fn taken<T>(call: &mut Call<T>) -> Result<T, Error> {
    call.try_take().expect("the first touch after a death brings the verdict")
}

#[test]
fn unattended_calls_get_their_verdict_at_the_next_touch_and_a_reply_already_here_still_counts() {
    let _dog = watch(20);
    let directory = directory();
    for wire in ["unix", "tcp"] {
        let (_, peer) = server(wire, &directory);
        let mut peer = peer.unwrap();
        let probe: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
        let control: ProbeClient = farcall::connect(peer.url()).wait().unwrap();
        let mut answered = farcall::submit_all((0..10).map(|n| probe.add(n, 1)));
        let mut hanging = farcall::submit_all((0..100).map(|_| probe.hang()));
        control.hanging(100).wait().unwrap();
        // The server has one thread: its turn with these calls has ended when it serves another connection.
        control.add(0, 0).wait().unwrap();
        peer.kill();
        peer.bury();
        for (n, call) in answered.iter_mut().enumerate() {
            assert_eq!(taken(call).unwrap(), n as u64 + 1, "{wire}");
        }
        for call in &mut hanging {
            let error = taken(call).unwrap_err();
            assert_eq!(error.fate(), Fate::Unknown, "{wire}: {error:?}");
            assert!(is_gone(&error), "{wire}: {error:?}");
        }
    }
}

/// Waits until so many handlers hang, and says when that was.
fn reaches(gauge: &Gauge, count: usize) -> Instant {
    on_a_runtime(async {
        gauge.subscribe().wait_for(|hanging| *hanging == count).await.unwrap();
        Instant::now()
    })
}

/// A caller in another process is killed while ten handlers serve it here.
fn kill_a_caller(url: &str, gauge: &Gauge, heirs: bool) {
    let caller = cast("call", &if heirs { format!("{url} heirs") } else { url.to_owned() }).start();
    let said = caller.url().trim_matches(['[', ']']).to_owned();
    let _heirs = Heirs(said.split(", ").filter_map(|pid| pid.parse().ok()).collect());
    reaches(gauge, 10);
    let death = Death::of(caller.pid());
    death.was_noticed(reaches(gauge, 0), SOON);
}

#[test]
fn handlers_of_a_killed_caller_are_cancelled() {
    let _dog = watch(60);
    let directory = directory();
    for url in [socket(&directory), ring(&directory), "tcp://127.0.0.1:0".into()] {
        let subject = Subject::default();
        let gauge = Gauge::clone(&subject.hanging);
        let server = farcall::serve(url, ProbeServer::new(subject)).wait().unwrap();
        (0..ROUNDS).for_each(|_| kill_a_caller(server.url(), &gauge, false));
        if !server.url().starts_with("tcp:") && kernel_names_speakers() {
            (0..ROUNDS).for_each(|_| kill_a_caller(server.url(), &gauge, true));
        }
    }
}

#[test]
fn handlers_of_a_killed_caller_are_cancelled_on_a_runtime() {
    let _dog = watch(60);
    let directory = directory();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for url in [socket(&directory), ring(&directory), "tcp://127.0.0.1:0".into()] {
        let subject = Subject::default();
        let gauge = Gauge::clone(&subject.hanging);
        let server = farcall::serve(url, ProbeServer::new(subject)).into_future();
        let server = runtime.block_on(server).unwrap();
        (0..ROUNDS).for_each(|_| kill_a_caller(server.url(), &gauge, false));
        if !server.url().starts_with("tcp:") && kernel_names_speakers() {
            (0..ROUNDS).for_each(|_| kill_a_caller(server.url(), &gauge, true));
        }
    }
}

#[test]
fn a_server_that_ends_under_its_callers_gives_each_a_verdict() {
    let _dog = watch(20);
    let directory = directory();
    for url in ["mem:death-of-a-server".into(), socket(&directory)] {
        let server = farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap();
        let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
        let calls = farcall::submit_all((0..100).map(|_| probe.hang()));
        probe.hanging(100).wait().unwrap();
        let began = Instant::now();
        drop(server);
        for call in calls {
            let error = call.wait().unwrap_err();
            assert_eq!(error.fate(), Fate::Started, "{error:?}");
        }
        assert!(began.elapsed() < LATE);
    }
}

#[test]
fn a_child_that_serves_its_parent_ends_with_it() {
    let _dog = watch(20);
    // The parent is a process that calls a child; that the child has ended is seen by the end of what it inherited.
    let mut parent = cast("call", &exec_url("", None)).start();
    let children = format!("/proc/{0}/task/{0}/children", parent.pid());
    let child: u32 = std::fs::read_dir(format!("/proc/{}/task", parent.pid()))
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .find_map(|list| list.trim().parse().ok())
        .unwrap_or_else(|| panic!("{children} names no child"));
    let life = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(child as i32).unwrap(),
        rustix::process::PidfdFlags::empty(),
    )
    .unwrap();
    let killed = Instant::now();
    parent.kill();
    let mut fds = [rustix::event::PollFd::new(&life, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)).unwrap(), 1);
    assert!(killed.elapsed() < LATE, "{:?}", killed.elapsed());
}
