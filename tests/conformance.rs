//! The conformance suite over every wire of this workspace, a line each. A wire without its line does not exist.

use std::sync::atomic::{AtomicU32, Ordering};

use farcall::testkit::{Meeting, Style, host};
use farcall::{Error, conformance};

conformance!(mem, |_| Ok(Meeting::at(format!("mem:{}", name()))));
conformance!(unix_path, unix_path);
conformance!(unix_abstract, |_| Ok(Meeting::at(format!("unix:@farcall-{}", name()))));
conformance!(tcp_v4, |_| Ok(Meeting::at("tcp://127.0.0.1:0")));
conformance!(pipe, pipe);
conformance!(exec, exec);

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

fn pipe(_: Style) -> Result<Meeting, Error> {
    let (ours, theirs) = farcall::pipe_pair()?;
    Ok(Meeting::between(theirs.into_url(), ours.into_url()))
}

/// By this variable the child is told that it is one, and how it serves.
const CHILD: &str = "FARCALL_CONFORMANCE_CHILD";

/// This program again, as a child. A test program prints before a test begins, so the shell keeps its standard output
/// aside until the child is there.
fn exec(server: Style) -> Result<Meeting, Error> {
    let program = std::env::current_exe().expect("a program has a path");
    let script = format!("{CHILD}={server:?} exec \"$0\" --exact child --nocapture 3>&1 1>&2 2>/dev/null");
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let program = encoded(&program.display().to_string());
    Ok(Meeting::elsewhere(format!("exec:/bin/sh?arg=-c&arg={}&arg={program}", encoded(&script))))
}

#[test]
fn child() {
    let style = match std::env::var(CHILD).as_deref() {
        Ok("Blocking") => Style::Blocking,
        Ok("Async") => Style::Async,
        _ => return,
    };
    restore_stdout();
    host("stdio:", style).expect("the child serves");
    // The harness has nothing to say to whoever started this child.
    std::process::exit(0);
}

/// Puts the standard output that the shell has kept as descriptor 3 back to its place.
fn restore_stdout() {
    let kept = std::fs::OpenOptions::new().write(true).open("/proc/self/fd/3");
    rustix::stdio::dup2_stdout(kept.expect("the shell has kept it")).expect("it can be put back");
}
