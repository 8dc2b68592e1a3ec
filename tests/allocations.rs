//! A null call in steady state allocates nothing for a ready handler and at most once for a pending one, on both sides
//! together.
//!
//! One test in a process of its own: the allocator counts for all threads.

use std::alloc::System;
use std::future::IntoFuture as _;
use std::future::poll_fn;
use std::task::Poll;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: i64 = 1_000;
const CALLS: i64 = 500;

#[farcall::service]
trait Null {
    async fn add(&self, a: i64, b: i64) -> i64;
    fn negate(&self, a: i64) -> i64;
    async fn add_later(&self, a: i64, b: i64) -> i64;
}

struct Service;

impl Null for Service {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    fn negate(&self, a: i64) -> i64 {
        -a
    }

    async fn add_later(&self, a: i64, b: i64) -> i64 {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            // The first poll is the one in place.
            if polls < 3 { Poll::Pending } else { Poll::Ready(a + b) }
        })
        .await
    }
}

/// Allocations of `CALLS` calls after a warm-up.
fn allocations(mut call: impl FnMut(i64)) -> usize {
    (0..WARM_UP).for_each(&mut call);
    let region = Region::new(ALLOCATOR);
    (0..CALLS).for_each(&mut call);
    let change = region.change();
    change.allocations + change.reallocations
}

fn blocking(url: &str) {
    let server = farcall::serve(url, NullServer::new(Service)).wait().unwrap();
    let client: NullClient = farcall::connect(server.url()).wait().unwrap();
    let ready = allocations(|n| assert_eq!(client.add(n, 1).wait().unwrap(), n + 1));
    assert_eq!(ready, 0, "{url}: async handlers that are ready, .wait()");
    let plain = allocations(|n| assert_eq!(client.negate(n).wait().unwrap(), -n));
    assert_eq!(plain, 0, "{url}: plain handlers, .wait()");
    let pending = allocations(|n| assert_eq!(client.add_later(n, 1).wait().unwrap(), n + 1));
    assert!(pending <= CALLS as usize, "{url}: {pending} for {CALLS} pending handlers, .wait()");
}

fn asynchronous(url: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, client) = runtime.block_on(async {
        let server = farcall::serve(url, NullServer::new(Service)).await.unwrap();
        let client: NullClient = farcall::connect(server.url()).await.unwrap();
        (server, client)
    });
    let run = |call: &mut dyn FnMut(i64) -> farcall::Call<i64>| {
        let mut count = 0;
        runtime.block_on(async {
            for n in 0..WARM_UP {
                call(n).await.unwrap();
            }
            let region = Region::new(ALLOCATOR);
            for n in 0..CALLS {
                call(n).await.unwrap();
            }
            let change = region.change();
            count = change.allocations + change.reallocations;
        });
        count
    };
    assert_eq!(run(&mut |n| client.add(n, 1)), 0, "{url}: async handlers that are ready, .await");
    assert_eq!(run(&mut |n| client.negate(n)), 0, "{url}: plain handlers, .await");
    let pending = run(&mut |n| client.add_later(n, 1));
    assert!(pending <= CALLS as usize, "{url}: {pending} for {CALLS} pending handlers, .await");
    drop(client);
    runtime.block_on(server.shutdown(std::time::Duration::ZERO).into_future()).unwrap();
}

#[test]
fn a_null_call_allocates_nothing_and_a_pending_handler_once() {
    let place = tempfile::tempdir().unwrap();
    let unix = |name: &str| format!("unix:{}", place.path().join(name).display());
    blocking(&unix("blocking.sock"));
    blocking("tcp://127.0.0.1:0");
    asynchronous(&unix("async.sock"));
    asynchronous("tcp://127.0.0.1:0");
}
