//! The conformance suite over every wire of this workspace, a line each. A wire without its line does not exist.

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicU32, Ordering};

use farcall::testkit::{Meeting, Style, cases, host, run};
use farcall::{Error, conformance};
use rustix::stdio::{dup2_stderr, dup2_stdout};

conformance!(mem, |_| Ok(Meeting::at(format!("mem:{}", name()))));
conformance!(unix_path, unix_path);
conformance!(unix_abstract, |_| Ok(Meeting::at(format!("unix:@farcall-{}", name()))));
conformance!(shm_path, |_| shared("shm", ""));
conformance!(shm_name, |_| Ok(named()));
conformance!(shm_hostile, |_| shared("shm", "?trust=hostile"));
conformance!(shm_smallest, |_| shared("shm", "?ring=128KiB"));
conformance!(shm_posix, |_| shared("shm", "?memory=posix&trust=trusted"));
conformance!(shm_sysv, |_| shared("shm", "?memory=sysv"));
conformance!(mmap, |_| shared("mmap", "?trust=trusted"));
conformance!(mq_path, |_| shared("mq", ""));
conformance!(mq_smallest, |_| shared("mq", "?depth=1"));
conformance!(fifo, |_| shared("fifo", ""));
conformance!(local, |_| shared("local", ""));
conformance!(indirect mailbox, mailbox);
conformance!(tcp_v4, |_| Ok(Meeting::at("tcp://127.0.0.1:0")));
conformance!(pipe, pipe);
conformance!(exec, |server| Ok(exec(server, KEPT_AS_STDERR)));

/// A name that no other test of this or another process has.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("conformance-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn unix_path(_: Style) -> Result<Meeting, Error> {
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    let url = format!("unix:{}/socket", directory.path().display());
    Ok(Meeting::at(url).keep(directory))
}

fn shared(scheme: &str, options: &str) -> Result<Meeting, Error> {
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    let url = format!("{scheme}:{}/socket{options}", directory.path().display());
    Ok(Meeting::at(url).keep(directory))
}

fn mailbox(_: Style) -> Result<Meeting, Error> {
    let url = format!("mailbox:/{}", name());
    Ok(Meeting::between(format!("{url}?take=256&depth=10&msgsize=1KiB"), url.clone()).keep(Removed(url)))
}

/// A mailbox that goes with its test.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = farcall::remove_mailbox(&self.0);
    }
}

/// By a name, whose lock file would otherwise stay: see the README.
fn named() -> Meeting {
    struct Lock(String);
    impl Drop for Lock {
        fn drop(&mut self) {
            let user = rustix::process::geteuid().as_raw();
            for directory in [format!("/run/user/{user}/farcall"), format!("/tmp/farcall-{user}")] {
                let _ = std::fs::remove_file(format!("{directory}/{}.lock", self.0));
            }
        }
    }
    let name = name();
    Meeting::at(format!("shm:{name}")).keep(Lock(name))
}

fn pipe(_: Style) -> Result<Meeting, Error> {
    let (ours, theirs) = farcall::pipe_pair()?;
    Ok(Meeting::between(theirs.into_url(), ours.into_url()))
}

/// By this variable the child is told that it is one, and how it serves.
const CHILD: &str = "FARCALL_CONFORMANCE_CHILD";

/// A test program prints before a test begins, so the shell keeps the standard output aside until the child is there: in
/// the place of standard error, which is kept as descriptor 3.
const KEPT_AS_STDERR: &str = "3>&2 2>&1 1>/dev/null";

/// The same, but the child finds its standard output only by its path.
const KEPT_BY_PATH: &str = "4>&1 3>&2 1>/dev/null";

/// This program again, as a child.
fn exec(server: Style, redirections: &str) -> Meeting {
    let program = std::env::current_exe().expect("a program has a path");
    let script = format!("export {CHILD}={server:?}; exec \"$0\" --exact child --nocapture {redirections}");
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let program = encoded(&program.display().to_string());
    Meeting::elsewhere(format!("exec:/bin/sh?arg=-c&arg={}&arg={program}", encoded(&script)))
}

#[test]
fn child() {
    let style = match std::env::var(CHILD).as_deref() {
        Ok("Blocking") => Style::Blocking,
        Ok("Async") => Style::Async,
        _ => return,
    };
    let open = |fd: u32| OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}"));
    match open(4) {
        Ok(by_path) => dup2_stdout(by_path).expect("it is put back"),
        Err(_) => dup2_stdout(std::io::stderr()).expect("it is put back"),
    }
    dup2_stderr(open(3).expect("the shell has kept it")).expect("it is put back");
    host("stdio:", style).expect("the child serves");
    // The harness has nothing to say to whoever started this child.
    std::process::exit(0);
}

#[test]
fn a_pipe_that_was_opened_by_its_path_carries_calls() {
    let styles = (Style::Blocking, Style::Blocking);
    let meeting = |server| Ok(exec(server, KEPT_BY_PATH));
    run("a pipe by its path", styles, meeting, cases::values::a_mebibyte_is_echoed);
}

/// Without memory to share, the same wire is a stream, and the suite does not see it.
#[test]
fn local_is_a_stream_where_memory_is_refused() {
    let program = std::env::current_exe().expect("a program has a path");
    let run =
        std::process::Command::new(program).arg("local::").env("FARCALL_TEST_DISABLE", "memfd").output();
    let run = run.expect("this program runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && !said.contains("0 passed"), "{said}");
}
