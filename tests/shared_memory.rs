//! Shared memory as a program sees it: which wire it got and why, after a fork, and what it says where it cannot be had.

use std::future::IntoFuture;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use farcall::testkit::Watchdog;
use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
use farcall::{Client, Code, Connection, Fate, Gone, ServerHandle, Trust};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Whatever a test waits for comes within this time, or the test fails.
const LIMIT: Duration = Duration::from_secs(60);

fn serve(scheme: &str) -> (ServerHandle, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("{scheme}:{}/s", directory.path().display());
    (farcall::serve(url, CalculatorServer::new(Calc)).wait().unwrap(), directory)
}

/// This program again, running only the named test.
fn child(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", part, "--nocapture"]).env("FARCALL_TEST_PART", part);
    command
}

fn is_child(part: &str) -> bool {
    std::env::var("FARCALL_TEST_PART").is_ok_and(|wanted| wanted == part)
}

#[test]
fn both_sides_can_tell_what_carries_a_local_connection() {
    let _watchdog = Watchdog::new(LIMIT);
    let (server, _directory) = serve("local");
    let calc: CalculatorClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(calc.add(2, 3).wait(), Ok(5));
    assert_eq!((calc.transport(), calc.connection().peer().fallback), ("shm", None));
    let peers = server.peers();
    assert_eq!((peers[0].transport, peers[0].pid), ("shm", Some(std::process::id())));
}

#[test]
fn both_sides_can_tell_why_a_local_connection_is_a_stream() {
    if !is_child("both_sides_can_tell_why_a_local_connection_is_a_stream") {
        let mut part = child("both_sides_can_tell_why_a_local_connection_is_a_stream");
        assert!(part.env("FARCALL_TEST_DISABLE", "fallocate").status().unwrap().success());
        return;
    }
    let _watchdog = Watchdog::new(LIMIT);
    let (server, _directory) = serve("local");
    let calc: CalculatorClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(calc.add(2, 3).wait(), Ok(5));
    let peers = [calc.connection().peer(), server.peers().remove(0)];
    for peer in peers {
        assert_eq!(peer.transport, "unix");
        assert!(peer.fallback.unwrap().contains("bytes of memory"));
    }
    let (server, _directory) = serve("shm");
    let error = farcall::connect::<Connection>(server.url()).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::ResourceExhausted, Fate::NotSent));
    assert!(
        error.to_string().contains(server.url()) && error.to_string().contains("528384 bytes"),
        "{error}"
    );
}

#[test]
fn builder_and_url_choose_the_trust_and_the_more_careful_counts() {
    let _watchdog = Watchdog::new(LIMIT);
    let (server, _directory) = serve("shm");
    for (builder, option) in [(Trust::Hostile, "?trust=trusted"), (Trust::Trusted, "?trust=hostile")] {
        let url = format!("{}{option}", server.url());
        let calc = farcall::connect::<CalculatorClient>(url).trust(builder).wait().unwrap();
        assert_eq!(calc.add(2, 3).wait(), Ok(5));
    }
    // On a wire where it changes nothing it is no mistake.
    let mem =
        farcall::serve("mem:trusting", CalculatorServer::new(Calc)).trust(Trust::Hostile).wait().unwrap();
    farcall::connect::<CalculatorClient>(mem.url()).trust(Trust::Hostile).wait().unwrap();
    let error = farcall::connect::<Connection>(format!("{}?trust=blind", server.url())).wait().unwrap_err();
    assert!(error.to_string().contains("trust=same-user"), "{error}");
    let error = farcall::connect::<Connection>(format!("{}?ring=200KiB", server.url())).wait().unwrap_err();
    assert!(error.to_string().contains("ring=131072 or ring=262144"), "{error}");
}

#[test]
fn a_runtime_is_not_held_up_by_a_server_on_itself() {
    let _watchdog = Watchdog::new(LIMIT);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("shm:{}/s", directory.path().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = farcall::serve(url, CalculatorServer::new(Calc)).await.unwrap();
        let calc: CalculatorClient = farcall::connect(server.url()).await.unwrap();
        assert_eq!(calc.add(2, 3).await, Ok(5));
        let began = std::time::Instant::now();
        let error = farcall::connect::<Connection>(server.url()).wait().unwrap_err();
        assert_eq!(error.code(), Code::MustNotBlock);
        assert!(began.elapsed() < Duration::from_secs(1), "it was not waited for");
    });
}

/// A service whose calls may be large.
#[farcall::service]
trait Scale {
    /// How many bytes these are.
    fn weigh(&self, bytes: Vec<u8>) -> u64;
}

struct Iron;

impl Scale for Iron {
    fn weigh(&self, bytes: Vec<u8>) -> u64 {
        bytes.len() as u64
    }
}

#[test]
fn serves_when_asked() {
    if is_child("serves_when_asked") {
        let url = std::env::var("URL").unwrap();
        let server = farcall::serve(url, ScaleServer::new(Iron)).wait().unwrap();
        server.join().wait().unwrap();
    }
}

/// A server in another process that has answered a client once, and the client.
fn served(url: &str) -> (Child, ScaleClient) {
    let server = child("serves_when_asked").env("URL", url).spawn().unwrap();
    let end = Instant::now() + LIMIT;
    let scale = loop {
        match farcall::connect::<ScaleClient>(url).wait() {
            Ok(scale) => break scale,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    };
    assert_eq!(scale.weigh(vec![0; 5]).wait(), Ok(5));
    (server, scale)
}

/// Waits until the process has come to a stop.
fn stop(server: &Child) {
    let pid = Pid::from_raw(server.id() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let end = Instant::now() + LIMIT;
    loop {
        let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
        let mut states =
            threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap());
        if states.all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))) {
            return;
        }
        assert!(Instant::now() < end, "it does not stop");
        std::thread::yield_now();
    }
}

#[test]
fn what_a_killed_server_had_not_taken_was_not_executed() {
    let _watchdog = Watchdog::new(LIMIT);
    for (trust, fate) in [("same-user", Fate::NotExecuted), ("hostile", Fate::Unknown)] {
        let directory = tempfile::tempdir().unwrap();
        let (mut server, scale) = served(&format!("shm:{}/s?trust={trust}", directory.path().display()));
        stop(&server);
        let calls: Vec<_> = (0..100).map(|size| scale.weigh(vec![0; size]).submit()).collect();
        server.kill().unwrap();
        server.wait().unwrap();
        for call in calls {
            let error = call.wait().unwrap_err();
            assert_eq!((error.code(), error.fate()), (Code::PeerGone(Gone::Exited), fate), "{error}");
        }
        assert_eq!(scale.weigh(vec![]).wait().unwrap_err().fate(), Fate::NotSent);
    }
}

/// A message larger than the ring flows through it in fragments; here the last of them never found room.
#[test]
fn a_message_of_which_only_a_part_found_room_was_not_sent() {
    let _watchdog = Watchdog::new(LIMIT);
    let directory = tempfile::tempdir().unwrap();
    let (mut server, scale) = served(&format!("shm:{}/s?ring=128KiB", directory.path().display()));
    stop(&server);
    let call = scale.weigh(vec![0; 1 << 20]).submit();
    server.kill().unwrap();
    server.wait().unwrap();
    let error = call.wait().unwrap_err();
    assert_eq!(error.fate(), Fate::NotSent, "{error}");
}

#[test]
fn a_task_that_waits_learns_of_a_kill_and_of_what_was_not_taken() {
    let _watchdog = Watchdog::new(LIMIT);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("shm:{}/s", directory.path().display());
    let (mut server, scale) = served(&url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let other: ScaleClient = farcall::connect(url.as_str()).await.unwrap();
        assert_eq!(other.weigh(vec![0; 5]).await, Ok(5));
        stop(&server);
        let waiting = tokio::spawn(other.weigh(vec![0; 7]).submit());
        tokio::task::yield_now().await;
        server.kill().unwrap();
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(
            (error.code(), error.fate()),
            (Code::PeerGone(Gone::Exited), Fate::NotExecuted),
            "{error}"
        );
        server.wait().unwrap();
    });
    drop(scale);
}

#[test]
fn grants_and_dies_when_asked() {
    if is_child("grants_and_dies_when_asked") {
        let url = farcall::transport::Url::parse(&std::env::var("URL").unwrap()).unwrap();
        let mut listener = farcall::transport::links::listen(&url, &mut url.query()).unwrap();
        let _link = loop {
            match listener.accept() {
                Ok(link) => break link,
                Err(_) => std::thread::yield_now(),
            }
        };
        kill_process(rustix::process::getpid(), Signal::KILL).unwrap();
    }
}

#[test]
fn a_server_that_dies_before_its_hello_is_not_waited_for() {
    let _watchdog = Watchdog::new(LIMIT);
    let directory = tempfile::tempdir().unwrap();
    let url = format!("shm:{}/s", directory.path().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for style in ["waiting", "on a runtime", "on the helper thread"] {
        let mut server = child("grants_and_dies_when_asked").env("URL", &url).spawn().unwrap();
        let began = Instant::now();
        let error = loop {
            let connect = farcall::connect::<Connection>(url.as_str());
            let error = match style {
                "waiting" => connect.wait(),
                "on a runtime" => runtime.block_on(connect.into_future()),
                _ => farcall::testkit::block_on(connect.into_future()),
            };
            // Unavailable: it is not there yet.
            match error.unwrap_err() {
                error if error.code() != Code::Unavailable => break error,
                _ => assert!(began.elapsed() < LIMIT),
            }
        };
        assert_eq!(error.code(), Code::PeerGone(Gone::Exited), "{style}: {error}");
        assert!(began.elapsed() < farcall::limits::HANDSHAKE, "{style}: {:?}", began.elapsed());
        server.wait().unwrap();
    }
}
