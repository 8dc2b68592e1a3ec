//! Calls and the executors that come and go around them: who polls, who is dropped, whose runtime ends.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use farcall::testkit::block_on;
use farcall::{Code, Fate, ServerHandle};
use peers::process::{self, alone};
use peers::service::{ProbeClient, ProbeServer, Subject};
use peers::watch;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

#[test]
fn plays_a_peer_when_asked() {
    process::play_if_asked();
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A server on a thread of its own.
struct Stage {
    server: ServerHandle,
    _directory: TempDir,
}

fn stage() -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", directory.path().join("s").display());
    let server = farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap();
    Stage { server, _directory: directory }
}

impl Stage {
    fn url(&self) -> &str {
        self.server.url()
    }
}

/// Polls once and lets go.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

#[test]
fn a_call_polled_once_and_held_delays_no_other_task() {
    let _dog = watch(30);
    for runtime in [current_thread(), multi_thread()] {
        // Nothing hangs there from before.
        let stage = stage();
        runtime.block_on(async {
            let probe: ProbeClient = farcall::connect(stage.url()).await.unwrap();
            let (mut held, mut hanging) = (probe.hanging(1), probe.hang());
            assert!(poll_once(&mut held).await.is_pending());
            assert!(poll_once(&mut hanging).await.is_pending());
            let began = Instant::now();
            let (mut calls, mut slowest) = (0_u64, Duration::ZERO);
            while began.elapsed() < Duration::from_secs(1) {
                let call = Instant::now();
                assert_eq!(probe.later(calls, (calls % 3) as u32).await.unwrap(), calls);
                slowest = slowest.max(call.elapsed());
                calls += 1;
            }
            assert!(
                calls > 100 && slowest < Duration::from_millis(500),
                "{calls} calls, slowest {slowest:?}"
            );
            assert_eq!(held.await.unwrap(), 1);
        });
    }
}

#[test]
fn a_call_polled_once_by_nobody_who_comes_back_delays_no_thread() {
    let _dog = watch(30);
    let stage = stage();
    let probe: ProbeClient = farcall::connect(stage.url()).wait().unwrap();
    let mut held = probe.hanging(1);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut held).poll(&mut cx).is_pending());
    for n in 0..1000 {
        assert_eq!(probe.later(n, 1).wait().unwrap(), n);
    }
    let _hanging = probe.hang().submit();
    assert_eq!(held.wait().unwrap(), 1);
}

#[test]
fn a_call_that_was_started_where_nobody_comes_back_is_sent_by_who_waits_for_it() {
    let _dog = watch(30);
    let stage = stage();
    let runtime = current_thread();
    let probe: ProbeClient = runtime.block_on(async { farcall::connect(stage.url()).await.unwrap() });
    assert_eq!(runtime.block_on(probe.add(1, 1)), Ok(2));
    let mut hanging = probe.hang();
    assert!(runtime.block_on(poll_once(&mut hanging)).is_pending());
    // Not alone: it is to be sent with others, by a task of a runtime that is left alone now.
    let mut call = probe.add(2, 3).deadline(Duration::from_secs(3));
    assert!(runtime.block_on(poll_once(&mut call)).is_pending());
    assert_eq!(call.wait(), Ok(5));
    let (mut detached, sent) = (probe.add(3, 4), probe.add(4, 5));
    assert!(runtime.block_on(poll_once(&mut detached)).is_pending());
    detached.detach().unwrap();
    assert_eq!(sent.wait(), Ok(9));
    drop(hanging);
}

/// Drops a call after it has been polled `polls` times, or takes its result if it is quicker.
async fn drop_after(call: impl Future<Output = Result<u64, farcall::Error>>, polls: u32) -> Option<u64> {
    let mut turns = pin!(peers::service::Turns(polls));
    let mut call = pin!(call);
    tokio::select! {
        biased;
        result = &mut call => Some(result.unwrap()),
        () = &mut turns => None,
    }
}

#[test]
fn a_select_that_drops_whoever_did_the_last_turn_leaves_the_others_their_replies() {
    let _dog = watch(60);
    let stage = stage();
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let probe: ProbeClient = farcall::connect(stage.url()).await.unwrap();
            let mut tasks = Vec::new();
            for task in 0..8_u64 {
                let probe = probe.clone();
                tasks.push(tokio::spawn(async move {
                    for n in 0..300 {
                        let polls = ((n * 7 + task * 3) % 11) as u32;
                        let dropped = drop_after(probe.later(n, 2), polls).await;
                        assert!(dropped.is_none_or(|result| result == n));
                        assert_eq!(probe.add(n, task).await.unwrap(), n + task);
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

/// A caller that goes on until it is told to stop, and then makes a hundred more calls.
struct Caller {
    stop: Arc<AtomicBool>,
    begun: mpsc::Sender<()>,
}

impl Caller {
    fn go_on(&self, calls: u64) -> bool {
        if calls == 50 {
            self.begun.send(()).unwrap();
        }
        !self.stop.load(Ordering::SeqCst)
    }

    fn run_thread(&self, probe: &ProbeClient) {
        let mut calls = 0;
        while self.go_on(calls) {
            assert_eq!(probe.later(calls, 1).wait().unwrap(), calls);
            calls += 1;
        }
        (0..100).for_each(|n| assert_eq!(probe.add(n, 1).wait().unwrap(), n + 1));
    }

    async fn run_task(&self, probe: &ProbeClient) {
        let mut calls = 0;
        while self.go_on(calls) {
            assert_eq!(probe.later(calls, 1).await.unwrap(), calls);
            calls += 1;
        }
        for n in 0..100 {
            assert_eq!(probe.add(n, 1).await.unwrap(), n + 1);
        }
    }
}

fn end_the_runtime_that_connected(first: Runtime, url: &str) {
    let probe: ProbeClient = first.block_on(farcall::connect(url).into_future()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (begun, beginnings) = mpsc::channel();
    let caller = || Caller { stop: Arc::clone(&stop), begun: begun.clone() };
    let mut others = Vec::new();
    for number in 0..4 {
        let (probe, caller) = (probe.clone(), caller());
        others.push(thread::spawn(move || match number {
            0 | 1 => caller.run_thread(&probe),
            2 => current_thread().block_on(caller.run_task(&probe)),
            _ => multi_thread().block_on(caller.run_task(&probe)),
        }));
    }
    // Calls of the runtime that will end; they end with it.
    for _ in 0..20 {
        let (hanging, probe) = (probe.hang(), probe.clone());
        first.spawn(async move { while probe.later(1, 3).await.is_ok() {} });
        first.spawn(async move { drop(hanging.await) });
    }
    (0..4).for_each(|_| beginnings.recv().unwrap());
    drop(first);
    stop.store(true, Ordering::SeqCst);
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(probe.add(1, 1).wait().unwrap(), 2);
}

#[test]
fn a_runtime_that_ends_leaves_its_client_to_other_runtimes_and_threads() {
    let _dog = watch(60);
    let stage = stage();
    for _ in 0..5 {
        // It is driven only while it connects.
        end_the_runtime_that_connected(current_thread(), stage.url());
        end_the_runtime_that_connected(one_worker(), stage.url());
        end_the_runtime_that_connected(multi_thread(), stage.url());
    }
}

/// A runtime with one worker, so that the connection's task shares it with everything else.
fn one_worker() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_server_whose_runtime_ends_leaves_no_caller_waiting() {
    let _dog = watch(30);
    let directory = tempfile::tempdir().unwrap();
    let runtime = multi_thread();
    let url = format!("unix:{}", directory.path().join("s").display());
    let server = farcall::serve(url, ProbeServer::new(Subject::default())).into_future();
    let server = runtime.block_on(server).unwrap();
    let probe: ProbeClient = farcall::connect(server.url()).wait().unwrap();
    let calls = farcall::submit_all((0..20).map(|_| probe.hang()));
    probe.hanging(20).wait().unwrap();
    let began = Instant::now();
    drop(runtime);
    drop(server);
    for call in calls {
        let error = call.wait().unwrap_err();
        assert!(matches!(error.fate(), Fate::Started | Fate::Unknown), "{error:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn four_threads_and_two_runtimes_share_one_client() {
    let _dog = watch(60);
    let stage = stage();
    let probe: ProbeClient = farcall::connect(stage.url()).wait().unwrap();
    let calls = 1500;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..calls).for_each(|n| assert_eq!(probe.later(n, (n % 3) as u32).wait().unwrap(), n));
            });
        }
        for runtime in [current_thread(), multi_thread()] {
            let probe = probe.clone();
            scope.spawn(move || {
                runtime.block_on(async {
                    for n in 0..calls {
                        assert_eq!(probe.later(n, (n % 3) as u32).await.unwrap(), n);
                    }
                });
            });
        }
    });
}

#[test]
fn waiting_inside_a_current_thread_runtime_is_refused_at_once() {
    let _dog = watch(20);
    let stage = stage();
    current_thread().block_on(async {
        let probe: ProbeClient = farcall::connect(stage.url()).await.unwrap();
        let began = Instant::now();
        let error = probe.add(1, 1).wait().unwrap_err();
        assert_eq!((error.code(), error.fate()), (Code::MustNotBlock, Fate::NotSent), "{error:?}");
        assert!(error.to_string().contains(".await"), "{error}");
        let error = farcall::connect::<ProbeClient>(stage.url()).wait().unwrap_err();
        assert_eq!(error.code(), Code::MustNotBlock);
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(probe.add(1, 1).await.unwrap(), 2);
    });
    multi_thread().block_on(async {
        let probe: ProbeClient = farcall::connect(stage.url()).await.unwrap();
        let task = tokio::spawn(async move { probe.add(1, 1).wait().unwrap() });
        assert_eq!(task.await.unwrap(), 2);
    });
}

/// Threads of this process with this name.
fn threads_called(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}

#[test]
fn a_foreign_executor_is_served_by_a_helper_thread_that_ends() {
    alone("a_foreign_executor_is_served_by_a_helper_thread_that_ends", || {
        let _dog = watch(30);
        let stage = stage();
        let blocking: ProbeClient = farcall::connect(stage.url()).wait().unwrap();
        assert_eq!(blocking.add(1, 1).wait().unwrap(), 2);
        assert_eq!(threads_called("farcall-helper"), 0, "a thread that waits needs no other");
        block_on(async {
            let probe: ProbeClient = farcall::connect(stage.url()).await.unwrap();
            for n in 0..500 {
                assert_eq!(probe.later(n, (n % 3) as u32).await.unwrap(), n);
            }
            assert_eq!(threads_called("farcall-helper"), 1);
        });
        let (tx, rx) = mpsc::channel();
        blocking.later(7, 1).on_complete(move |result| tx.send(result).unwrap()).unwrap();
        assert_eq!(rx.recv().unwrap().unwrap(), 7);
        drop(blocking);
        let began = Instant::now();
        while threads_called("farcall-helper") > 0 {
            assert!(began.elapsed() < Duration::from_secs(5), "the helper thread has not ended");
            thread::yield_now();
        }
    });
}
