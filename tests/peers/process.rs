//! The test binary itself as another process: it serves, calls or does nothing until it is killed.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use super::service::{Probe as _, ProbeClient, ProbeServer, Subject};

/// The test of each binary that [`play_if_asked`] stands in.
const STAGE: &str = "plays_a_peer_when_asked";

const PART: &str = "FARCALL_PEER_PART";
const URL: &str = "FARCALL_PEER_URL";
const JOURNAL: &str = "FARCALL_PEER_JOURNAL";
const ALONE: &str = "FARCALL_PEER_ALONE";
const FILES: &str = "FARCALL_PEER_FILES";
const PAUSED: &str = "FARCALL_PEER_PAUSED";

/// A process that this one has started. Killed when dropped; it also ends by itself when this process ends.
pub struct Peer {
    child: Child,
    url: String,
    lifeline: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

/// A peer to be started.
pub struct Casting(Command);

/// A process that plays `part`: `serve`, `call` or `relay`.
pub fn cast(part: &str, url: &str) -> Casting {
    let mut command = Command::new(std::env::current_exe().expect("a test knows itself"));
    command.args(["--exact", STAGE, "--nocapture", "--test-threads=1"]);
    command.env(PART, part).env(URL, url).stdin(Stdio::piped()).stdout(Stdio::piped());
    Casting(command)
}

/// A process that serves the other end of a pair of pipes, with these options; the URL of this end.
pub fn cast_on_pipes(options: &str) -> (Casting, String) {
    let (ours, theirs) = farcall::pipe_pair().expect("there are descriptors");
    let Casting(mut command) = cast("serve", "");
    let url = theirs.inherit(&mut command);
    command.env(URL, format!("{url}{options}"));
    (Casting(command), ours.into_url())
}

impl Casting {
    pub fn journal(mut self, path: &Path) -> Self {
        self.0.env(JOURNAL, path);
        self
    }

    /// So many descriptors at most.
    pub fn files(mut self, most: u64) -> Self {
        self.0.env(FILES, most.to_string());
        self
    }

    /// It says `paused` before it does anything, and waits for [`Peer::go`].
    pub fn paused(mut self) -> Self {
        self.0.env(PAUSED, "1");
        self
    }

    /// Starts it and waits until it is at its place.
    pub fn start(mut self) -> Peer {
        let mut child = self.0.spawn().expect("the test binary can be started");
        let lifeline = child.stdin.take();
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut peer = Peer { child, url: String::new(), lifeline, said };
        peer.url = peer.hear().expect("the peer says where it is");
        peer
    }
}

impl Peer {
    pub fn serving(url: &str) -> Peer {
        cast("serve", url).start()
    }

    /// What it says next; `None`: it has died.
    fn hear(&mut self) -> Option<String> {
        let lines = self.said.by_ref().lines();
        lines.map_while(Result::ok).find_map(|line| Some(line.split_once("url=")?.1.to_owned()))
    }

    /// Ends its pause; where it is, unless it dies before it says so.
    pub fn go(&mut self) -> Option<String> {
        self.lifeline.as_mut().and_then(|pipe| pipe.write_all(b"!").ok())?;
        self.hear()
    }

    /// Lets go of it: a server ends of itself.
    pub fn let_go(&mut self) {
        self.lifeline = None;
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
    }

    /// Waits until nothing is left of it but what others hold.
    pub fn bury(&mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test`, whose full name is `name`, in a process where nothing else runs.
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some_and(|alone| alone == name) {
        return test();
    }
    let mut command = Command::new(std::env::current_exe().expect("a test knows itself"));
    let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, name).output();
    let output = output.expect("the test binary can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "alone, it failed");
}

/// `kill -9` to any process of ours.
pub fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process number");
    let _ = kill_process(pid, Signal::KILL);
}

/// The URL of a peer that serves over its standard streams. The shell moves the harness's words out of the way.
pub fn exec_url(options: &str, journal: Option<&Path>) -> String {
    let binary = std::env::current_exe().expect("a test knows itself");
    let journal = journal.map(|path| format!("{JOURNAL}='{}' ", path.display())).unwrap_or_default();
    let script = format!(
        "{journal}{PART}=stdio {URL}='stdio:{options}' exec '{}' --exact {STAGE} --nocapture --test-threads=1 3>&1 >/dev/null",
        binary.display()
    );
    format!("exec:/bin/sh?arg=-c&arg={}", percent(&script))
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// Plays the part that this process was started for, and ends it; returns at once if it was started for none.
pub fn play_if_asked() {
    let Ok(part) = std::env::var(PART) else { return };
    let url = std::env::var(URL).expect("a part has a URL");
    if let Some(most) = std::env::var(FILES).ok().and_then(|most| most.parse().ok()) {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(Resource::Nofile, limit).expect("a limit can be lowered");
    }
    // A child of a peer inherits its surroundings, and nobody tells it to go on.
    if part != "stdio" && std::env::var_os(PAUSED).is_some() {
        println!("\nurl=paused");
        std::io::stdin().read_exact(&mut [0]).expect("the peer is told to go on");
    }
    match part.as_str() {
        "serve" => serve(&url),
        "stdio" => serve_standard_streams(&url),
        "call" => call(&url),
        "visit" => visit(&url),
        "relay" => relay(&url),
        other => panic!("no part is called {other}"),
    }
    std::process::exit(0);
}

fn subject() -> ProbeServer<Subject> {
    let journal = std::env::var_os(JOURNAL)
        .map(|path| OpenOptions::new().read(true).write(true).open(path).expect("the journal is there"));
    ProbeServer::new(Subject { journal, ..Subject::default() })
}

/// Until the other end of standard input is closed.
fn wait_for_the_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn serve(url: &str) {
    let server = farcall::serve(url, subject()).wait().expect("the peer can serve");
    println!("\nurl={}", server.url());
    if url.starts_with("fd:") {
        server.join().wait().expect("a server can be joined");
    } else {
        wait_for_the_parent();
    }
}

fn serve_standard_streams(url: &str) {
    // What the shell has put aside: the pipe to the caller.
    let out = OpenOptions::new().write(true).open("/proc/self/fd/3").expect("the shell opened it");
    rustix::stdio::dup2_stdout(&out).expect("standard output can be replaced");
    let server = farcall::serve(url, subject()).wait().expect("the peer can serve");
    server.join().wait().expect("a server can be joined");
}

/// Calls ten handlers that hang, then waits to be killed. `url`, and after a blank whether a child keeps the sockets.
fn call(url: &str) {
    let (url, heir) = url.split_once(' ').unwrap_or((url, ""));
    let probe: ProbeClient = farcall::connect(url).wait().expect("the server is there");
    let calls = farcall::submit_all((0..10).map(|_| probe.hang()));
    let heirs = if heir.is_empty() { Vec::new() } else { Subject::default().bequeath_sockets() };
    println!("\nurl={heirs:?}");
    wait_for_the_parent();
    drop(calls);
}

/// Makes some calls, leaves one behind and goes.
fn visit(url: &str) {
    let probe: ProbeClient = farcall::connect(url).wait().expect("the server is there");
    for n in 0..5 {
        assert_eq!(probe.add(n, 1).wait().expect("the server serves"), n + 1);
    }
    assert_eq!(probe.blob(200_000).wait().expect("the server serves").len(), 200_000);
    let hanging = probe.hang().submit();
    assert_eq!(probe.hanging(1).wait().expect("the server serves"), 1);
    println!("\nurl=served");
    drop((hanging, probe));
}

/// Takes one connection at the path, hands it to another process that serves it, and ends.
#[expect(clippy::zombie_processes, reason = "this process ends before that one")]
fn relay(path: &str) {
    let listener = std::os::unix::net::UnixListener::bind(path).expect("the path is free");
    println!("\nurl=unix:{path}");
    let (socket, _) = listener.accept().expect("somebody connects");
    let binary = std::env::current_exe().expect("a test knows itself");
    let script = format!(
        "{PART}=serve {URL}=fd:3 exec '{}' --exact {STAGE} --nocapture --test-threads=1 3<&0 >/dev/null 2>&1",
        binary.display()
    );
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).stdin(OwnedFd::from(socket)).stdout(Stdio::null());
    shell.spawn().expect("the shell can be started");
}
