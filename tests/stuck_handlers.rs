//! `#[blocking]` handlers that do not return: whoever does not need their threads does not notice, and when they return at
//! last all is as it was.

#![expect(missing_docs, reason = "the methods say by their names what they do")]

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use farcall::{Client, Code, Fate, ServerHandle};
use peers::service::{Probe as _, Subject};
use peers::watch;
use tokio::runtime::Runtime;

/// Threads for handlers that block.
const WORKERS: usize = 2;

#[farcall::service]
pub trait Stuck {
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Returns when the gate is opened.
    #[blocking]
    fn hold(&self, n: u64) -> u64;
    #[blocking]
    fn brief(&self, ballast: Vec<u8>) -> usize;
}

/// What the handlers share with the tests.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    held: Mutex<usize>,
    news: Condvar,
    briefs: AtomicU64,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.news.notify_all();
    }

    /// Waits until so many handlers are held.
    fn holds(&self, count: usize) {
        let held = self.held.lock().unwrap();
        drop(self.news.wait_while(held, |held| *held < count).unwrap());
    }
}

struct Handlers(Arc<Gate>);

impl Stuck for Handlers {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    fn hold(&self, n: u64) -> u64 {
        *self.0.held.lock().unwrap() += 1;
        self.0.news.notify_all();
        let open = self.0.open.lock().unwrap();
        drop(self.0.news.wait_while(open, |open| !*open).unwrap());
        n
    }

    fn brief(&self, ballast: Vec<u8>) -> usize {
        self.0.briefs.fetch_add(1, Ordering::SeqCst);
        ballast.len()
    }
}

/// A server whose every thread for blocking handlers is stuck.
struct Stage {
    gate: Arc<Gate>,
    server: ServerHandle,
    holds: Vec<farcall::Call<u64>>,
    holder: StuckClient,
    _directory: tempfile::TempDir,
    /// Dropped last.
    _runtime: Option<Runtime>,
}

impl Stage {
    fn on(runtime: Option<Runtime>) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let gate = Arc::<Gate>::default();
        let service = StuckServer::new(Handlers(Arc::clone(&gate)));
        let url = format!("unix:{}", directory.path().join("s").display());
        let server = match &runtime {
            None => farcall::serve(format!("{url}?workers={WORKERS}"), service).wait().unwrap(),
            Some(runtime) => runtime.block_on(async { farcall::serve(url, service).await }).unwrap(),
        };
        let holder: StuckClient = farcall::connect(server.url()).wait().unwrap();
        let holds = farcall::submit_all((0..WORKERS as u64).map(|n| holder.hold(n)));
        gate.holds(WORKERS);
        Stage { gate, server, holds, holder, _directory: directory, _runtime: runtime }
    }

    /// Runs the scene on a server of threads and on one of a runtime.
    fn each(scene: impl Fn(Stage)) {
        scene(Stage::on(None));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(WORKERS)
            .enable_all()
            .build()
            .unwrap();
        scene(Stage::on(Some(runtime)));
    }

    fn client(&self) -> StuckClient {
        farcall::connect(self.server.url()).wait().unwrap()
    }

    /// The handlers return at last, and all is as it was.
    fn recovers(mut self) {
        self.gate.open();
        for (n, call) in (0..).zip(std::mem::take(&mut self.holds)) {
            assert_eq!(call.wait().unwrap(), n, "a handler that was late has returned");
        }
        assert_eq!(self.holder.brief(vec![1; 9]).wait().unwrap(), 9);
        assert_eq!(self.client().brief(vec![1; 9]).wait().unwrap(), 9);
    }
}

#[test]
fn calls_that_need_no_thread_do_not_notice() {
    let _dog = watch(30);
    Stage::each(|stage| {
        let other = stage.client();
        for n in 0..200 {
            assert_eq!(stage.holder.add(n, 1).wait().unwrap(), n + 1);
            assert_eq!(other.add(n, 2).wait().unwrap(), n + 2);
        }
        stage.recovers();
    });
}

#[test]
fn calls_that_wait_for_a_thread_end_at_their_deadline_and_never_run() {
    let _dog = watch(30);
    Stage::each(|stage| {
        let impatient = stage.client().with_deadline(Duration::from_millis(50));
        for call in farcall::submit_all((0..100).map(|_| impatient.brief(vec![1; 1000]))) {
            let error = call.wait().unwrap_err();
            assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
            assert!(matches!(error.fate(), Fate::Unknown | Fate::NotExecuted), "{error:?}");
        }
        let cancelled = farcall::submit_all((0..100).map(|_| stage.holder.brief(vec![1; 1000])));
        assert_eq!(stage.holder.add(1, 1).wait().unwrap(), 2);
        drop(cancelled);
        assert_eq!(stage.holder.add(1, 1).wait().unwrap(), 2);
        let gate = Arc::clone(&stage.gate);
        stage.recovers();
        assert_eq!(gate.briefs.load(Ordering::SeqCst), 2, "nothing runs for callers who have gone");
    });
}

#[test]
fn callers_who_come_and_go_leave_nothing_that_harms_others() {
    let _dog = watch(60);
    // What they bring, 400 MB in all, goes with them.
    let before = Subject::default().peak_memory();
    Stage::each(|stage| {
        let other = stage.client();
        for _ in 0..40 {
            let passer_by = stage.client();
            let calls = farcall::submit_all((0..250).map(|_| passer_by.brief(vec![1; 20_000])));
            assert_eq!(passer_by.add(1, 1).wait().unwrap(), 2);
            drop(calls);
        }
        assert_eq!(other.add(1, 2).wait().unwrap(), 3, "others are served");
        stage.recovers();
    });
    let grown = Subject::default().peak_memory() - before;
    assert!(grown < 100 * 1024, "{grown} KiB");
}

#[test]
fn a_server_that_ends_says_of_calls_without_a_thread_that_they_did_not_run() {
    let _dog = watch(30);
    Stage::each(|stage| {
        let client = stage.client();
        let calls = farcall::submit_all((0..20).map(|_| client.brief(Vec::new())));
        assert_eq!(client.add(1, 1).wait().unwrap(), 2);
        let Stage { server, gate, holds, .. } = stage;
        server.shutdown(Duration::ZERO).wait().unwrap();
        for call in calls {
            let error = call.wait().unwrap_err();
            assert!(matches!(error.fate(), Fate::NotExecuted | Fate::Unknown), "{error:?}");
        }
        gate.open();
        for call in holds {
            let error = call.wait().unwrap_err();
            assert!(matches!(error.fate(), Fate::Started | Fate::Unknown), "{error:?}");
        }
    });
}
