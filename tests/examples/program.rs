//! One run of an example: found or built, started, watched, ended.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Time that one run may take, on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(120);

/// A process to be run.
pub(crate) struct Program {
    name: &'static str,
    command: Command,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process that runs. If it is not dropped in time, it is killed and the tests with it.
pub(crate) struct Started {
    pub(crate) child: Child,
    _watchdog: Watchdog,
}

impl Program {
    /// An example of this package.
    pub(crate) fn example(name: &'static str) -> Program {
        let mut command = Command::new(built(name));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program { name, command }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self) -> Started {
        let child = self.command.spawn().unwrap();
        let watchdog = Watchdog::over(self.name, child.id());
        Started { child, _watchdog: watchdog }
    }

    pub(crate) fn run(mut self) -> Ended {
        let child = self.command.spawn().unwrap();
        let _watchdog = Watchdog::over(self.name, child.id());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Aborts the tests, with the name of what hung, unless it is dropped in time.
struct Watchdog(#[expect(dead_code, reason = "its drop is the message")] Sender<()>);

impl Watchdog {
    fn over(name: &'static str, pid: u32) -> Watchdog {
        let (alive, ended) = channel();
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        std::thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test}: the example {name} has not ended within {LIMIT:?}");
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
                std::process::abort();
            }
        });
        Watchdog(alive)
    }
}

/// The example's program. `cargo test` has built it, except when only this test was asked for.
fn built(name: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    let age = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    if age(&program).is_none_or(|built| built < newest_source(age)) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--examples", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        build.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the examples can be built");
    }
    program
}

fn newest_source(age: impl Fn(&Path) -> Option<SystemTime>) -> SystemTime {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<_> = ["src", "examples", "rpc-core/src", "rpc-macros/src", "transports/src"]
        .map(|at| root.join(at))
        .into();
    let mut newest = SystemTime::UNIX_EPOCH;
    while let Some(path) = open.pop() {
        if let Ok(entries) = path.read_dir() {
            open.extend(entries.flatten().map(|entry| entry.path()));
        } else if let Some(changed) = age(&path) {
            newest = newest.max(changed);
        }
    }
    newest
}
