//! A client on a runtime that has its answers and rests: what its server does of its own accord it hears at once.

use std::future::Future;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use farcall::testkit::Watchdog;
use farcall::{Connection, ServerHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Served by the client.
#[farcall::service]
trait Bell {
    fn ring(&self, number: u32);
}

struct Ringing(UnboundedSender<u32>);

impl Bell for Ringing {
    fn ring(&self, number: u32) {
        self.0.send(number).expect("somebody hears it");
    }
}

/// Served by the server.
#[farcall::service]
trait Tower {
    /// The bell of whoever calls is rung when the tower is told to.
    fn enter(&self);
    fn climb(&self, step: u32) -> u32;
}

struct Keeper(Mutex<mpsc::Sender<BellClient>>);

impl Tower for Keeper {
    fn enter(&self) {
        let connection = farcall::context().connection().expect("a handler has a connection");
        self.0.lock().unwrap().send(connection.open().expect("it is open")).expect("the test goes on");
    }

    fn climb(&self, step: u32) -> u32 {
        step + 1
    }
}

/// A server, and the bells of those who have entered.
struct Stage {
    server: ServerHandle,
    bells: mpsc::Receiver<BellClient>,
    _directory: tempfile::TempDir,
}

fn stage(scheme: &str) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("{scheme}:{}", directory.path().join("s").display());
    let (bells, entered) = mpsc::channel();
    let server = farcall::serve(url, TowerServer::new(Keeper(Mutex::new(bells)))).wait().unwrap();
    Stage { server, bells: entered, _directory: directory }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client with a bell of its own, and what is heard of it.
async fn enter(url: &str) -> (TowerClient, UnboundedReceiver<u32>) {
    let (rings, heard) = unbounded_channel();
    let connection: Connection = farcall::connect(url).offer(BellServer::new(Ringing(rings))).await.unwrap();
    let tower: TowerClient = connection.open().unwrap();
    tower.enter().await.unwrap();
    (tower, heard)
}

/// Calls that find their answers in their first poll, one after the other.
async fn climb(tower: &TowerClient, steps: u32) {
    for step in 0..steps {
        assert_eq!(tower.climb(step).await, Ok(step + 1));
    }
}

async fn soon<T>(future: impl Future<Output = Option<T>>) -> T {
    let heard = tokio::time::timeout(Duration::from_secs(5), future).await;
    heard.expect("it is heard at once").expect("the bell is there")
}

#[test]
fn a_client_that_rests_after_its_calls_hears_its_server() {
    let _dog = Watchdog::new(Duration::from_secs(60));
    for scheme in ["shm", "unix"] {
        let stage = stage(scheme);
        let url = stage.server.url().to_owned();
        let (rests, ring) = mpsc::channel::<u32>();
        let client = thread::spawn(move || {
            one_thread().block_on(async {
                let (tower, mut heard) = enter(&url).await;
                for round in 0..150 {
                    climb(&tower, round % 71).await;
                    rests.send(round).unwrap();
                    assert_eq!(soon(heard.recv()).await, round);
                }
            });
        });
        let bell = stage.bells.recv().unwrap();
        let (_never, moment) = mpsc::channel::<()>();
        for round in ring {
            // Sometimes before the client's thread sleeps, sometimes after.
            let rest = Duration::from_micros(u64::from(round % 5) * 200);
            assert!(moment.recv_timeout(rest).is_err(), "nobody disturbs");
            bell.ring(round).wait().unwrap();
        }
        client.join().unwrap();
    }
}

#[test]
fn calls_on_a_runtime_that_stands_still_leave_the_link_to_another_one() {
    let _dog = Watchdog::new(Duration::from_secs(60));
    let stage = stage("shm");
    let url = stage.server.url().to_owned();
    let (share, shared) = mpsc::channel();
    let listener = thread::spawn(move || {
        one_thread().block_on(async {
            let (tower, mut heard) = enter(&url).await;
            // Its task attends from now on.
            climb(&tower, 1).await;
            share.send(tower).unwrap();
            for round in 0..150 {
                assert_eq!(soon(heard.recv()).await, round);
            }
        });
    });
    let (tower, bell) = (shared.recv().unwrap(), stage.bells.recv().unwrap());
    let runtime = one_thread();
    for round in 0..150 {
        runtime.block_on(climb(&tower, round % 71));
        bell.ring(round).wait().unwrap();
    }
    listener.join().unwrap();
}
