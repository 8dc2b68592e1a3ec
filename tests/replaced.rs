//! Peers that call exec(2) without a fork: their process lives on, their connection does not.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use farcall::{Code, Error, Fate, Gone};
use peers::service::{Gauge, ProbeClient, ProbeServer, Subject};
use peers::watch;
use peers::witness::Machine;
use tempfile::TempDir;

/// What a local wire promises.
const SOON: Duration = Duration::from_millis(50);

/// Replacements that are tried in each setting; every one counts.
const ROUNDS: usize = 8;

/// The test that the other process stands in, and what it is told.
const STAGE: &str = "becomes_another_program_when_asked";
const PART: &str = "FARCALL_REPLACED_PART";
const URL: &str = "FARCALL_REPLACED_URL";
const WITNESS: &str = "FARCALL_REPLACED_WITNESS";

#[test]
fn becomes_another_program_when_asked() {
    let Ok(part) = std::env::var(PART) else { return };
    let url = std::env::var(URL).unwrap();
    // Closed by the kernel before what is opened later.
    let mut witness = UnixStream::connect(std::env::var(WITNESS).unwrap()).unwrap();
    let mut server = None;
    let mut calls = Vec::new();
    if part == "serve" {
        server = Some(farcall::serve(url, ProbeServer::new(Subject::default())).wait().unwrap());
    } else {
        let probe: ProbeClient = farcall::connect(url).wait().unwrap();
        calls = farcall::submit_all((0..10).map(|_| probe.hang()));
        probe.hanging(10).wait().unwrap();
    }
    // It is at its place, and waits for its word.
    witness.write_all(b"!").unwrap();
    witness.read_exact(&mut [0]).unwrap();
    // No code of this program runs after this, and nothing of it is dropped.
    let error = Command::new("cat").exec();
    drop((server, calls));
    panic!("{error}");
}

/// A process that becomes another program when it is told to.
struct Changeling {
    child: Child,
    said: BufReader<ChildStdout>,
    witness: UnixStream,
}

impl Changeling {
    /// Starts it; it is at its place.
    fn start(part: &str, url: &str) -> Changeling {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witness");
        let listener = UnixListener::bind(&path).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", STAGE, "--nocapture", "--test-threads=1"]);
        command.env(PART, part).env(URL, url).env(WITNESS, &path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let (mut witness, _) = listener.accept().unwrap();
        witness.read_exact(&mut [0]).unwrap();
        Changeling { child, said, witness }
    }

    /// Has it changed. `end` waits for what follows from that and says when it came.
    fn change(mut self, end: impl FnOnce() -> Instant) {
        let machine = Machine::since_now();
        self.witness.write_all(b"!").unwrap();
        let mut witness = self.witness.try_clone().unwrap();
        let kernel = std::thread::spawn(move || {
            assert_eq!(witness.read(&mut [0]).unwrap(), 0);
            Instant::now()
        });
        let late = end().saturating_duration_since(kernel.join().unwrap());
        assert!(late <= SOON + machine.held_back(), "noticed {late:?} after the kernel told of it");
        // The process lives, as a program that repeats what it reads.
        self.child.stdin.take().unwrap().write_all(b"alive\n").unwrap();
        assert!(self.said.lines().map_while(Result::ok).any(|line| line.ends_with("alive")));
        self.child.wait().unwrap();
    }
}

fn urls(directory: &TempDir) -> [String; 3] {
    let path = directory.path().display();
    [format!("unix:{path}/s"), format!("shm:{path}/m"), format!("shm:{path}/h?trust=hostile")]
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Waits until no handler hangs, and says when that was.
fn idle(gauge: &Gauge) -> Instant {
    on_a_runtime(async {
        gauge.subscribe().wait_for(|hanging| *hanging == 0).await.unwrap();
        Instant::now()
    })
}

#[test]
fn handlers_of_a_caller_that_has_become_another_program_are_cancelled() {
    let _dog = watch(60);
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for url in urls(&directory) {
        for on_the_runtime in [false, true] {
            let subject = Subject::default();
            let gauge = Gauge::clone(&subject.hanging);
            let serve = farcall::serve(&url, ProbeServer::new(subject));
            let server = if on_the_runtime { runtime.block_on(serve.into_future()) } else { serve.wait() };
            let server = server.unwrap();
            for _ in 0..ROUNDS {
                Changeling::start("call", server.url()).change(|| idle(&gauge));
            }
            on_a_runtime(server.shutdown(Duration::ZERO).into_future()).unwrap();
        }
    }
}

fn assert_gone(error: &Error) {
    // Its process lives, and runs another program.
    let is_gone = matches!(error.code(), Code::PeerGone(Gone::Hup | Gone::Reset));
    assert!(is_gone && error.fate() == Fate::Unknown, "{error:?}");
}

#[test]
fn callers_of_a_server_that_has_become_another_program_learn_of_it() {
    let _dog = watch(60);
    for round in 0..ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        for url in urls(&directory) {
            let server = Changeling::start("serve", &url);
            if round % 2 == 0 {
                let probe: ProbeClient = farcall::connect(&url).wait().unwrap();
                let call = probe.hang().submit();
                probe.hanging(1).wait().unwrap();
                server.change(|| {
                    assert_gone(&call.wait().unwrap_err());
                    Instant::now()
                });
            } else {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let probe: ProbeClient = runtime.block_on(farcall::connect(&url).into_future()).unwrap();
                let call = probe.hang().submit();
                runtime.block_on(probe.hanging(1).into_future()).unwrap();
                server.change(|| {
                    assert_gone(&runtime.block_on(call.into_future()).unwrap_err());
                    Instant::now()
                });
            }
        }
    }
}
