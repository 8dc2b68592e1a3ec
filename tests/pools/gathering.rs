//! How a pool begins, and how it ends: with whoever answers, and with all of them.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farcall::testkit::block_on;
use farcall::{Client, Code};

use crate::crew::{CrewClient, CrewServer, Worker, connect, full, stop, watch};

/// Less than a peer is waited for that says nothing.
const SOON: Duration = Duration::from_secs(3);

#[test]
fn who_hangs_does_not_keep_others_from_being_used() {
    let _watchdog = watch("who_hangs_does_not_keep_others_from_being_used");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("silent");
    let _silent = UnixListener::bind(&path).unwrap();
    let silent = format!("unix:{}", path.display());
    let there = format!("unix:{}", scratch.path().join("there").display());
    let _server = farcall::serve(&there, CrewServer::new(Worker)).wait().unwrap();
    let pool = || farcall::pool::<CrewClient>([silent.clone(), silent.clone(), there.clone()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    for client in [pool().wait(), block_on(async { pool().await }), runtime.block_on(async { pool().await })]
    {
        let client = client.unwrap();
        let sum = if runtime.block_on(async { client.sum(0, 5).await }) == Ok(10) { 10 } else { 0 };
        assert_eq!(sum, 10);
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[farcall::service]
trait Count {
    /// Counts, after having been pending for a while.
    async fn count(&self);
}

struct Counter(Arc<AtomicUsize>);

impl Count for Counter {
    async fn count(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn to_close_a_pool_is_to_close_all_its_connections_in_order() {
    let _watchdog = watch("to_close_a_pool_is_to_close_all_its_connections_in_order");
    let scratch = tempfile::tempdir().unwrap();
    let counted = Arc::new(AtomicUsize::new(0));
    let url = |name: &str| format!("unix:{}", scratch.path().join(name).display());
    let servers: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            farcall::serve(url(name), CountServer::new(Counter(Arc::clone(&counted)))).wait().unwrap()
        })
        .into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for round in 1..=3 {
        let pool = farcall::pool::<CountClient>(servers.iter().map(|server| server.url()));
        let client = if round == 1 { pool.wait() } else { runtime.block_on(async { pool.await }) }.unwrap();
        (0..60).for_each(|_| client.count().detach().unwrap());
        match round {
            1 => client.close().wait(),
            2 => runtime.block_on(async { client.close().await }),
            _ => block_on(async { client.close().await }),
        }
        .unwrap();
        assert_eq!(counted.load(Ordering::Relaxed), round * 60, "each was waited for");
        let error = client.count().wait().unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
}

#[test]
fn a_worker_that_stands_still_gets_no_calls_while_another_answers() {
    let _watchdog = watch("a_worker_that_stands_still_gets_no_calls_while_another_answers");
    let client = connect("n=2");
    let stopped = stop(full(&client, 2)[0]);
    let mut in_a_row = 0;
    while in_a_row < 40 {
        match client.pid().deadline(Duration::from_millis(200)).wait() {
            Ok(_) => in_a_row += 1,
            Err(error) => {
                assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
                in_a_row = 0;
            }
        }
    }
    drop(stopped);
    assert_eq!(full(&client, 2).len(), 2, "it goes on, and is used again");
}
