//! `.wait()`, where it may stand and where it may not.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use farcall::{Client, Code, Fate};

use crate::desk::{DeskClient, DeskServer, Office, desk, multi, open, says, single, watch};

#[test]
fn inside_a_current_thread_runtime_it_says_at_once_what_to_write() {
    let _watchdog = watch("inside_a_current_thread_runtime_it_says_at_once_what_to_write");
    let server = open("tcp://127.0.0.1:0");
    single().block_on(async {
        let client: DeskClient = farcall::connect(server.url()).await.unwrap();
        let began = Instant::now();
        says(client.add(1, 1).wait(), Code::MustNotBlock, &[".await", "Desk.add"]);
        says(farcall::connect::<DeskClient>(server.url()).wait(), Code::MustNotBlock, &[".await"]);
        let started = client.add(1, 1).submit().wait().unwrap_err();
        assert_eq!((started.code(), started.fate()), (Code::MustNotBlock, Fate::Unknown));
        assert_eq!(client.close().wait().unwrap_err().code(), Code::MustNotBlock);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(client.add(1, 1).await.unwrap(), 2);
    });
}

#[test]
fn inside_a_local_set_it_says_at_once_what_to_write() {
    let _watchdog = watch("inside_a_local_set_it_says_at_once_what_to_write");
    let server = open("tcp://127.0.0.1:0");
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    let local = tokio::task::LocalSet::new();
    multi().block_on(local.run_until(async {
        says(client.add(1, 1).wait(), Code::MustNotBlock, &["LocalSet", ".await"]);
        assert_eq!(client.add(1, 1).await.unwrap(), 2);
    }));
}

#[test]
fn a_runtime_without_io_is_refused_in_words() {
    let _watchdog = watch("a_runtime_without_io_is_refused_in_words");
    let server = open("tcp://127.0.0.1:0");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let connected = farcall::connect::<DeskClient>(server.url()).await;
        says(connected, Code::ResourceExhausted, &["enable_io"]);
        let served = farcall::serve("tcp://127.0.0.1:0", desk()).await;
        says(served, Code::ResourceExhausted, &["enable_io"]);
    });
}

#[test]
fn a_task_of_a_current_thread_runtime_must_not_wait_for_a_server() {
    let _watchdog = watch("a_task_of_a_current_thread_runtime_must_not_wait_for_a_server");
    single().block_on(async {
        says(farcall::serve("mem:faces-must-not", desk()).wait(), Code::MustNotBlock, &[".await"]);
        let server = farcall::serve("mem:faces-must-not", desk()).await.unwrap();
        says(server.join().wait(), Code::MustNotBlock, &[".await"]);
        says(server.shutdown(Duration::ZERO).wait(), Code::MustNotBlock, &[".await"]);
    });
}

#[test]
fn in_spawn_blocking_it_waits() {
    let _watchdog = watch("in_spawn_blocking_it_waits");
    let server = open("tcp://127.0.0.1:0");
    let url = server.url().to_owned();
    single().block_on(async {
        let attended: DeskClient = farcall::connect(url.as_str()).await.unwrap();
        let waited = tokio::task::spawn_blocking(move || {
            let own: DeskClient = farcall::connect(url).wait()?;
            Ok::<_, farcall::Error>((own.add(1, 2).wait()?, attended.add(3, 4).wait()?))
        });
        assert_eq!(waited.await.unwrap(), Ok((3, 7)));
    });
}

#[test]
fn in_a_worker_of_several_it_waits() {
    let _watchdog = watch("in_a_worker_of_several_it_waits");
    multi().block_on(async {
        let server = farcall::serve("tcp://127.0.0.1:0", desk()).await.unwrap();
        let url = server.url().to_owned();
        let sum = tokio::spawn(async move {
            let client: DeskClient = farcall::connect(url.as_str()).wait()?;
            let attended: DeskClient = farcall::connect(url).await?;
            Ok::<_, farcall::Error>((client.add(1, 2).wait()?, attended.add(3, 4).wait()?))
        });
        assert_eq!(sum.await.unwrap(), Ok((3, 7)));
        let join = server.join();
        tokio::spawn(async move { server.shutdown(Duration::ZERO).wait() }).await.unwrap().unwrap();
        tokio::spawn(async move { join.wait() }).await.unwrap().unwrap();
    });
}

#[test]
fn awaiting_needs_no_runtime() {
    let _watchdog = watch("awaiting_needs_no_runtime");
    farcall::testkit::block_on(async {
        let server = farcall::serve("tcp://127.0.0.1:0", desk()).await.unwrap();
        let client: DeskClient = farcall::connect(server.url()).await.unwrap();
        assert_eq!(client.add(1, 2).await.unwrap(), 3);
        client.close().await.unwrap();
        server.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn who_only_detaches_is_served_beyond_the_window() {
    let _watchdog = watch("who_only_detaches_is_served_beyond_the_window");
    let office = Office::default();
    let server = farcall::serve("tcp://127.0.0.1:0?window=2", DeskServer::new(office.clone()));
    let server = server.wait().unwrap();
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    // Each of these opens a gate, whose number is the size of its result.
    for bytes in 0..8 {
        client.produce(bytes).detach().unwrap();
    }
    let mut last = pin!(office.stuck.opened(7));
    while last.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        client.add(1, 2).detach().unwrap();
    }
}

#[test]
fn outside_a_runtime_a_task_that_connects_is_not_kept_by_who_does_not_answer() {
    let _watchdog = watch("outside_a_runtime_a_task_that_connects_is_not_kept_by_who_does_not_answer");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent");
    let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for scheme in ["shm", "mmap", "mq", "local", "unix"] {
        let mut connecting =
            pin!(farcall::connect::<DeskClient>(format!("{scheme}:{}", path.display())).into_future());
        let began = Instant::now();
        for _ in 0..3 {
            assert!(connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        // One look at a silent peer of these wires takes 5 s.
        assert!(began.elapsed() < Duration::from_secs(2), "{scheme}: {:?}", began.elapsed());
    }
}
