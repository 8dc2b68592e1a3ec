//! A service to call, and what the tests of this program share around it.

use std::sync::Arc;
use std::time::Duration;

use farcall::testkit::{Gates, Watchdog, block_on};
use farcall::{Code, Error, Fate, Server, ServerHandle};

#[farcall::service]
pub(crate) trait Desk {
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Comes to a gate and never leaves it.
    async fn stick(&self, gate: u64);
    /// The same, where blocking is allowed; leaves when the gate is opened.
    #[blocking]
    fn stick_blocking(&self, gate: u64);
    async fn produce(&self, bytes: u64) -> Vec<u8>;
    /// What is left of the deadline, in milliseconds.
    async fn left(&self) -> u64;
}

#[farcall::service]
pub(crate) trait Clock {
    fn tick(&self) -> u64;
}

#[derive(Clone, Default)]
pub(crate) struct Office {
    pub(crate) gates: Arc<Gates>,
    pub(crate) stuck: Arc<Gates>,
}

impl Desk for Office {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn stick(&self, gate: u64) {
        self.stuck.open(gate);
        std::future::pending::<()>().await;
    }
    fn stick_blocking(&self, gate: u64) {
        self.stuck.open(gate);
        block_on(self.gates.opened(gate));
    }
    async fn produce(&self, bytes: u64) -> Vec<u8> {
        self.stuck.open(bytes);
        vec![0; bytes as usize]
    }
    async fn left(&self) -> u64 {
        farcall::context().time_left().map_or(0, |left| left.as_millis() as u64)
    }
}

impl Clock for Office {
    fn tick(&self) -> u64 {
        7
    }
}

pub(crate) fn desk() -> DeskServer<Office> {
    DeskServer::new(Office::default())
}

/// A desk at `url`, on a thread of its own.
pub(crate) fn open(url: &str) -> ServerHandle {
    farcall::serve(url, desk()).wait().expect("it can be served")
}

/// A server of a desk and a clock.
pub(crate) fn both() -> Server {
    Server::new().add(desk()).add(ClockServer::new(Office::default()))
}

pub(crate) fn watch(name: &str) -> Watchdog {
    Watchdog::over(name, Duration::from_secs(30))
}

pub(crate) fn single() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be had")
}

pub(crate) fn multi() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime can be had")
}

/// An error before the first call: its code, `NotSent`, and words that must stand in it, not twice in a row.
#[track_caller]
pub(crate) fn says<T>(result: Result<T, Error>, code: Code, words: &[&str]) {
    let Err(error) = result else { panic!("it succeeds; {words:?} were expected") };
    assert_eq!((error.code(), error.fate()), (code, Fate::NotSent), "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is missing in: {error}");
        let twice = format!("{word}: {word}");
        assert!(!error.to_string().contains(&twice), "`{word}` stands there twice: {error}");
    }
}
