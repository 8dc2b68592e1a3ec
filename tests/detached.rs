//! A detached call is made even if its caller leaves at once: closing waits for it, dropping sends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use farcall::Client as _;
use farcall::testkit::Watchdog;

#[farcall::service]
trait Tally {
    async fn count(&self);
}

struct Counter(Arc<AtomicU32>);

impl Tally for Counter {
    async fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn server(url: &str) -> (farcall::ServerHandle, Arc<AtomicU32>) {
    let counted = Arc::new(AtomicU32::new(0));
    let server = TallyServer::new(Counter(Arc::clone(&counted)));
    (farcall::serve(url, server).wait().unwrap(), counted)
}

/// Waits for another process's or thread's work, within a bound.
fn comes_to(counted: &AtomicU32, wanted: u32) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while counted.load(Ordering::SeqCst) != wanted {
        if Instant::now() > end {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn a_detached_call_is_executed_though_the_last_handle_is_dropped_at_once() {
    let _watchdog = Watchdog::over(
        "a_detached_call_is_executed_though_the_last_handle_is_dropped_at_once",
        Duration::from_secs(60),
    );
    for url in ["mem:detached", "unix:@farcall-detached", "tcp://127.0.0.1:0"] {
        let (server, counted) = server(url);
        for round in 1..=50 {
            let client: TallyClient = farcall::connect(server.url()).wait().unwrap();
            client.count().detach().unwrap();
            drop(client);
            assert!(comes_to(&counted, round), "{url}, round {round}");
        }
    }
}

#[test]
fn closing_waits_for_detached_calls_beyond_the_window() {
    let _watchdog =
        Watchdog::over("closing_waits_for_detached_calls_beyond_the_window", Duration::from_secs(60));
    let (server, counted) = server("tcp://127.0.0.1:0?window=2");
    let client: TallyClient = farcall::connect(server.url()).wait().unwrap();
    (0..500).for_each(|_| client.count().detach().unwrap());
    client.close().wait().unwrap();
    assert_eq!(counted.load(Ordering::SeqCst), 500);
}

#[test]
fn closing_on_a_runtime_waits_for_detached_calls_too() {
    let _watchdog =
        Watchdog::over("closing_on_a_runtime_waits_for_detached_calls_too", Duration::from_secs(60));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, counted) = server("tcp://127.0.0.1:0?window=2");
    runtime.block_on(async {
        let client: TallyClient = farcall::connect(server.url()).await.unwrap();
        (0..500).for_each(|_| client.count().detach().unwrap());
        client.close().await.unwrap();
    });
    assert_eq!(counted.load(Ordering::SeqCst), 500);
}
