//! Values that explode while they are decoded, and handlers that panic, hang or end badly: one call fails, nothing else.

#![expect(missing_docs, reason = "the methods say by their names what they do")]

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::marker::PhantomData;
use std::time::{Duration, Instant};

use farcall::{Client, Code, Connection, Error, Fate, ServerHandle};
use peers::service::Turns;
use peers::watch;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type that nests in itself.
#[derive(Serialize, Deserialize)]
pub enum Nest {
    Empty,
    Deeper(Box<Nest>),
}

/// Panics when it is written.
#[derive(Deserialize)]
pub struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("cannot be written")
    }
}

/// Panics when it is read.
#[derive(Serialize)]
pub struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("cannot be read")
    }
}

#[farcall::service]
pub trait Troubled {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn units(&self, many: Vec<()>) -> usize;
    async fn texts(&self, many: Vec<String>) -> usize;
    async fn blocks(&self, many: Vec<[u64; 32]>) -> usize;
    async fn nest(&self, nest: Nest) -> u32;
    async fn duration(&self, time: Duration) -> Duration;
    async fn bomb(&self) -> Vec<String>;
    async fn panics_at_once(&self);
    async fn panics_later(&self);
    fn panics_inline(&self);
    #[blocking]
    fn panics_where_blocking_is_allowed(&self);
    async fn panics_when_dropped(&self, hang: bool) -> u32;
    async fn unwritable(&self) -> Unwritable;
    async fn unwritable_later(&self) -> Unwritable;
    async fn unreadable(&self, value: Unreadable);
    async fn hang(&self);
}

/// The same service as somebody calls it who writes what he likes.
mod attacker {
    use super::Bytes;

    #[farcall::service(name = "Troubled")]
    pub(super) trait Attack {
        async fn units(&self, bytes: Bytes<Vec<()>>) -> usize;
        async fn texts(&self, bytes: Bytes<Vec<String>>) -> usize;
        async fn blocks(&self, bytes: Bytes<Vec<[u64; 32]>>) -> usize;
        async fn nest(&self, bytes: Bytes<super::Nest>) -> u32;
        async fn duration(&self, bytes: Bytes<std::time::Duration>) -> std::time::Duration;
        async fn bomb(&self) -> Vec<String>;
    }
}

/// These bytes and nothing around them, of the shape of another type, so that they are taken for one.
pub struct Bytes<T>(Vec<u8>, PhantomData<fn() -> T>);

fn bytes<T>(bytes: Vec<u8>) -> Bytes<T> {
    Bytes(bytes, PhantomData)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bytes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|_| bytes(Vec::new()))
    }
}

impl<T> Serialize for Bytes<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

struct Handlers;

impl Troubled for Handlers {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }
    async fn units(&self, many: Vec<()>) -> usize {
        many.len()
    }
    async fn texts(&self, many: Vec<String>) -> usize {
        many.len()
    }
    async fn blocks(&self, many: Vec<[u64; 32]>) -> usize {
        many.len()
    }
    async fn nest(&self, mut nest: Nest) -> u32 {
        let mut depth = 0;
        while let Nest::Deeper(inner) = nest {
            nest = *inner;
            depth += 1;
        }
        depth
    }
    async fn duration(&self, time: Duration) -> Duration {
        time
    }
    async fn bomb(&self) -> Vec<String> {
        vec![String::new(); 4_000_000]
    }
    async fn panics_at_once(&self) {
        panic!("at once")
    }
    async fn panics_later(&self) {
        Turns(2).await;
        panic!("later")
    }
    fn panics_inline(&self) {
        panic!("inline")
    }
    fn panics_where_blocking_is_allowed(&self) {
        panic!("blocking")
    }
    async fn panics_when_dropped(&self, hang: bool) -> u32 {
        // It lives in the future until that is dropped or ends.
        let _guard = PanicsWhenDropped;
        if hang {
            std::future::pending::<()>().await;
        }
        Turns(1).await;
        7
    }
    async fn unwritable(&self) -> Unwritable {
        Unwritable
    }
    async fn unwritable_later(&self) -> Unwritable {
        Turns(1).await;
        Unwritable
    }
    async fn unreadable(&self, _: Unreadable) {}
    async fn hang(&self) {
        std::future::pending().await
    }
}

/// A server on a thread of its own, and one on a runtime.
struct Stages {
    threads: ServerHandle,
    runtime: ServerHandle,
    _runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Stages {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = |name| format!("unix:{}", directory.path().join(name).display());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let threads = farcall::serve(url("a"), TroubledServer::new(Handlers)).wait().unwrap();
        let other = farcall::serve(url("b"), TroubledServer::new(Handlers));
        let other = runtime.block_on(async { other.await }).unwrap();
        Stages { threads, runtime: other, _runtime: runtime, _directory: directory }
    }

    /// Runs the scene on both, and sees that the connection of each lives on.
    fn each(&self, scene: impl Fn(&Connection, &TroubledClient)) {
        for server in [&self.threads, &self.runtime] {
            let connection: Connection = farcall::connect(server.url()).wait().unwrap();
            let client: TroubledClient = connection.open().unwrap();
            scene(&connection, &client);
            assert_eq!(client.add(20, 22).wait().unwrap(), 42, "the connection lives on");
        }
    }
}

fn ends(error: &Error, code: Code, fate: Fate) {
    assert_eq!((error.code(), error.fate()), (code, fate), "{error:?}");
}

/// A length as the codec writes it: a mark and eight bytes.
fn length(count: u64) -> Vec<u8> {
    [&[253][..], &count.to_le_bytes()].concat()
}

#[test]
fn arguments_that_explode_when_decoded_fail_alone_and_at_once() {
    let _dog = watch(30);
    Stages::new().each(|connection, _| {
        let attack: attacker::AttackClient = connection.open().unwrap();
        let began = Instant::now();
        for count in [1 << 20, 1 << 40, u64::MAX / 2, u64::MAX] {
            let refused = [
                attack.units(bytes(length(count))).wait().unwrap_err(),
                attack.texts(bytes(length(count))).wait().unwrap_err(),
                attack.blocks(bytes(length(count))).wait().unwrap_err(),
            ];
            for error in refused {
                assert_eq!(error.fate(), Fate::NotExecuted, "{error:?}");
                assert!(matches!(error.code(), Code::BadRequest | Code::TooLarge), "{error:?}");
            }
        }
        // Empty strings: one byte on the wire, a whole `String` in memory.
        let empty = [length(4_000_000), vec![0; 4_000_000]].concat();
        let error = attack.texts(bytes(empty)).wait().unwrap_err();
        assert_eq!(error.fate(), Fate::NotExecuted, "{error:?}");
        let error = attack.nest(bytes(vec![1; 1_000_000])).wait().unwrap_err();
        ends(&error, Code::BadRequest, Fate::NotExecuted);
        // Seconds and nanoseconds that do not fit.
        let overflow = [length(u64::MAX), vec![252, 255, 255, 255, 255]].concat();
        let error = attack.duration(bytes(overflow)).wait().unwrap_err();
        ends(&error, Code::BadRequest, Fate::NotExecuted);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

#[test]
fn a_result_that_explodes_when_decoded_fails_alone_and_has_completed() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        let error = client.bomb().wait().unwrap_err();
        assert_eq!(error.fate(), Fate::Completed, "{error:?}");
    });
}

#[test]
fn handlers_that_panic_end_their_call_and_nothing_else() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        for _ in 0..20 {
            let bystander = client.add(1, 2).submit();
            let ended = [
                (client.panics_at_once().wait().unwrap_err(), "at once"),
                (client.panics_later().wait().unwrap_err(), "later"),
                (client.panics_inline().wait().unwrap_err(), "inline"),
                (client.panics_where_blocking_is_allowed().wait().unwrap_err(), "blocking"),
            ];
            for (error, words) in ended {
                ends(&error, Code::HandlerPanicked, Fate::Started);
                assert!(error.to_string().contains(words), "{error}");
            }
            assert_eq!(bystander.wait().unwrap(), 3);
        }
    });
}

#[test]
fn futures_that_panic_when_they_are_dropped_harm_nobody() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        // At its end: the handler's own frame panics before it has returned.
        let error = client.panics_when_dropped(false).wait().unwrap_err();
        assert_eq!(error.code(), Code::HandlerPanicked, "{error:?}");
        // At a cancel, and at a deadline.
        let call = client.panics_when_dropped(true).submit();
        assert_eq!(client.add(1, 1).wait().unwrap(), 2);
        drop(call);
        let call = client.panics_when_dropped(true).deadline(Duration::from_millis(20));
        let error = call.wait().unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    });
    // At the end of a connection and of the server.
    let stages = Stages::new();
    stages.each(|_, client| drop(client.panics_when_dropped(true).detach()));
    let Stages { threads, runtime, _runtime, .. } = stages;
    threads.shutdown(Duration::ZERO).wait().unwrap();
    runtime.shutdown(Duration::ZERO).wait().unwrap();
}

#[test]
fn a_result_that_panics_when_it_is_written_has_completed() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        for error in
            [client.unwritable().wait().err().unwrap(), client.unwritable_later().wait().err().unwrap()]
        {
            ends(&error, Code::HandlerPanicked, Fate::Completed);
        }
    });
}

#[test]
fn a_call_whose_argument_panics_when_it_is_read_was_not_executed() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        let error = client.unreadable(Unreadable).wait().unwrap_err();
        ends(&error, Code::HandlerPanicked, Fate::NotExecuted);
    });
}

#[test]
fn a_handler_that_stays_pending_for_ever_ends_at_the_deadline_of_its_caller() {
    let _dog = watch(30);
    Stages::new().each(|_, client| {
        let began = Instant::now();
        let impatient = client.with_deadline(Duration::from_millis(50));
        let calls = farcall::submit_all((0..50).map(|_| impatient.hang()));
        assert_eq!(client.add(1, 1).wait().unwrap(), 2);
        for call in calls {
            let error = call.wait().unwrap_err();
            assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
            assert!(matches!(error.fate(), Fate::Unknown | Fate::Started), "{error:?}");
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    });
}
