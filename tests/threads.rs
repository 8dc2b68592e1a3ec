//! Many threads and tasks on one client, with replies out of order.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::thread;

use farcall::ServerHandle;
use peers::service::{ProbeClient, ProbeServer, Subject};
use peers::watch;
use tempfile::TempDir;

/// Calls of each thread or task.
const CALLS: u64 = 4_000;

fn stage(url: &str) -> (ServerHandle, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = url.replace("DIR", &directory.path().display().to_string());
    let server = farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap();
    (server, directory)
}

/// Most are ready at once; the others come to their end in another order than they began.
fn turns(n: u64) -> u32 {
    if n.is_multiple_of(4) { (n % 13) as u32 } else { 0 }
}

fn eight_threads(url: &str, calls: u64) {
    let (server, _directory) = stage(url);
    let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let probe = &probe;
            scope.spawn(move || {
                for n in 0..calls {
                    assert_eq!(probe.later(n * 8 + number, turns(n)).wait().unwrap(), n * 8 + number);
                }
            });
        }
    });
}

fn eight_tasks(url: &str, calls: u64) {
    let (server, _directory) = stage(url);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let probe: ProbeClient = farcall::connect(server.url()).into_future().await.unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let probe = probe.clone();
                tokio::spawn(async move {
                    for n in 0..calls {
                        let answer = probe.later(n * 8 + number, turns(n)).await.unwrap();
                        assert_eq!(answer, n * 8 + number);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn eight_threads_share_one_client_over_a_unix_socket() {
    let _dog = watch(60);
    eight_threads("unix:DIR/s", CALLS);
}

#[test]
fn eight_tasks_share_one_client_over_a_unix_socket() {
    let _dog = watch(60);
    eight_tasks("unix:DIR/s", CALLS);
}

#[test]
fn eight_threads_share_one_client_over_tcp_and_in_one_process() {
    let _dog = watch(60);
    eight_threads("tcp://127.0.0.1:0", CALLS / 8);
    eight_threads("mem:eight-threads", CALLS / 8);
}

#[test]
fn eight_tasks_share_one_client_over_tcp_and_in_one_process() {
    let _dog = watch(60);
    eight_tasks("tcp://127.0.0.1:0", CALLS / 8);
    eight_tasks("mem:eight-tasks", CALLS / 8);
}

#[test]
fn eight_threads_each_keep_many_calls_in_flight() {
    let _dog = watch(60);
    let (server, _directory) = stage("unix:DIR/s");
    let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let probe = &probe;
            scope.spawn(move || {
                for round in 0..10 {
                    let base = (number * 10 + round) * 100;
                    let calls = farcall::submit_all((0..100).map(|n| probe.later(base + n, turns(n))));
                    for (n, call) in calls.into_iter().enumerate().rev() {
                        assert_eq!(call.wait().unwrap(), base + n as u64);
                    }
                }
            });
        }
    });
}

/// The thread sleeps in the kernel.
fn sleeps(thread: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'))
}

/// Whoever looks for its own verdict tells the peer that nobody need ring; somebody else may sleep at the link.
fn one_sleeps_while_another_calls(url: &str) {
    let subject = Subject::default();
    let hanging = peers::service::Gauge::clone(&subject.hanging);
    let directory = tempfile::tempdir().unwrap();
    let url = url.replace("DIR", &directory.path().display().to_string());
    let server = farcall::serve(url, ProbeServer::new(subject)).wait().unwrap();
    let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
    for _ in 0..50 {
        thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let sleeper = scope.spawn({
                let probe = &probe;
                move || {
                    tell.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()).unwrap();
                    probe.hanging(1).wait().unwrap()
                }
            });
            let sleeper_id = told.recv().unwrap();
            while !sleeps(sleeper_id) {
                thread::yield_now();
            }
            assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
            hanging.send_replace(1);
            assert_eq!(sleeper.join().unwrap(), 1);
            hanging.send_replace(0);
        });
    }
}

#[test]
fn a_thread_asleep_is_woken_though_another_has_looked_for_its_verdict_over_unix() {
    let _dog = watch(30);
    one_sleeps_while_another_calls("unix:DIR/s");
}

#[cfg(feature = "shm")]
#[test]
fn a_thread_asleep_is_woken_though_another_has_looked_for_its_verdict_over_shm() {
    let _dog = watch(30);
    one_sleeps_while_another_calls("shm:DIR/s");
}
