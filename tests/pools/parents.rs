//! What becomes of children when their parent lets go of them, or ends.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::crew::{CrewClient, STARTER, run, shell, watch, workers};

/// What a child has otherwise after its input has ended.
const GRACE: Duration = Duration::from_secs(1);

/// The number that a child has written, once it has.
fn written(path: &Path) -> u32 {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(pid) = text.strip_suffix('\n').and_then(|text| text.parse().ok()) {
            return pid;
        }
        std::thread::yield_now();
    }
}

/// Waits until the process has ended, whoever is to bury it.
fn ended(pid: u32) {
    let is_over = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !is_over() {
        std::thread::yield_now();
    }
}

#[test]
fn a_child_is_signalled_when_its_parent_is_killed() {
    let _watchdog = watch("a_child_is_signalled_when_its_parent_is_killed");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("pid");
    // It reads nothing, so that the end of its input does not end it.
    let script = format!("echo $$ > {}; exec sleep 1000", path.display());
    let url = shell(&script, "pdeathsig=kill");
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args(["--exact", "crew::starter"]).env(STARTER, url).stdout(Stdio::null());
    let mut parent = parent.spawn().unwrap();
    let child = written(&path);
    parent.kill().unwrap();
    parent.wait().unwrap();
    ended(child);
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let _watchdog = watch("a_child_outlives_the_thread_that_asked_for_it");
    let url = workers("", "pdeathsig=kill");
    let asked = std::thread::spawn(|| farcall::connect::<CrewClient>(url).wait().unwrap());
    let client = asked.join().unwrap();
    for _ in 0..10 {
        client.pid().wait().unwrap();
    }
}

#[test]
fn a_child_may_be_killed_with_its_connection() {
    let _watchdog = watch("a_child_may_be_killed_with_its_connection");
    let scratch = tempfile::tempdir().unwrap();
    let pid = scratch.path().join("pid");
    // The worker ends when it is told goodbye; the shell would stay for as long as it is let.
    let script = format!("echo $$ > {}; {}; exec sleep 1000", pid.display(), run());
    let client: CrewClient = farcall::connect(shell(&script, "kill_on_drop=true")).wait().unwrap();
    client.pid().wait().unwrap();
    let begun = Instant::now();
    drop(client);
    ended(written(&pid));
    assert!(begun.elapsed() < GRACE, "it was given time");
}
