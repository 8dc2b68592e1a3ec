//! `exec:` and `stdio:`: children, how they end, and what is left of them.

use std::time::Duration;

use farcall_core::Code;
use farcall_core::transport::{Link, Received};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::harness::{LIMIT, connect, fault, is_over, receive, send, wait_until};

fn shell(script: &str) -> Box<dyn Link> {
    let script: String = script.bytes().map(|byte| format!("%{byte:02X}")).collect();
    connect(&format!("exec:/bin/sh?arg=-c&arg={script}")).unwrap()
}

/// This program, serving `stdio:`: its test harness has printed something by then, so the pipes come as 3 and 4.
fn server(part: &str) -> Box<dyn Link> {
    let program = std::env::current_exe().unwrap();
    shell(&format!(
        "FARCALL_TEST_PART={part} exec '{}' --exact children::{part} --nocapture 3<&0 4>&1 0</dev/null 1>&2",
        program.display()
    ))
}

/// Whether nothing is left of a child, not even a zombie.
fn is_reaped(pid: u32) -> bool {
    let pid = Pid::from_raw(pid as i32).unwrap();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(pid), options), Err(Errno::CHILD))
}

#[test]
fn frames_go_to_the_child_and_come_back() {
    // What `cat` sends back is what a server that speaks Farcall would: the preface and frames.
    let mut link = connect("exec:cat").unwrap();
    for size in [0, 1, 60_000] {
        send(&mut *link, &vec![7; size]).unwrap();
        assert_eq!(receive(&mut *link).unwrap().unwrap().len(), size);
    }
    let peer = link.peer();
    assert_eq!((peer.transport, peer.address.as_deref()), ("exec", Some("cat")));
    let pid = peer.pid.unwrap();
    drop(link);
    wait_until("the child is gone", || is_reaped(pid));
}

#[test]
fn a_server_on_its_standard_streams() {
    for disabled in ["", "reopen"] {
        let mut link = server(if disabled.is_empty() { "echo_over_stdio" } else { "echo_over_stdio_shared" });
        for size in [1, 50_000] {
            send(&mut *link, &vec![3; size]).unwrap();
            assert_eq!(receive(&mut *link).unwrap().unwrap().len(), size);
        }
    }
}

#[test]
fn text_that_the_child_prints_is_reported_and_not_parsed() {
    let said = fault(&mut *shell("echo Hello from the library; read x"));
    assert!(said.contains(r"Hello from the library\n"), "{said}");
}

#[test]
fn the_childs_end_is_in_the_error() {
    assert!(fault(&mut *shell("exit 3")).contains("exit status: 3"));
    assert!(fault(&mut *shell("kill -9 $$")).contains("signal: 9"));
    assert!(matches!(receive(&mut *shell("exit 0")), Ok(None)));
    let mut link = shell("exit 4");
    assert!(is_over(&link.life().unwrap(), LIMIT));
    let said = (0..2).find_map(|_| send(&mut *link, b"x").err()).unwrap().to_string();
    assert!(said.contains("exit status: 4"), "{said}");
}

#[test]
fn a_killed_child_is_seen_although_its_own_child_holds_the_pipes() {
    let mut link = shell("sleep 100 & echo $!; kill -9 $$");
    assert!(is_over(&link.life().unwrap(), LIMIT));
    let said = fault(&mut *link);
    let holder = said.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!(!is_reaped(link.peer().pid.unwrap()) && Pid::from_raw(holder).is_some(), "{said}");
    kill_process(Pid::from_raw(holder).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_child_that_does_not_end_is_killed_and_reaped() {
    let mut link = shell("exec sleep 1000");
    assert!(matches!(link.receive(), Ok(Received::WouldBlock)));
    let (life, pid) = (link.life().unwrap(), link.peer().pid.unwrap());
    let before = std::time::Instant::now();
    drop(link);
    assert!(before.elapsed() < Duration::from_millis(500), "dropping a link waits for nobody");
    assert!(is_over(&life, LIMIT));
    wait_until("the zombie is gone", || is_reaped(pid));
}

#[test]
fn a_program_that_cannot_be_started_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "text").unwrap();
    let cases = [
        ("exec:/no/such/program".to_owned(), Code::Unavailable, "no such program"),
        (format!("exec:{}", plain.display()), Code::PermissionDenied, "chmod +x"),
        ("exec:".to_owned(), Code::InvalidConfig, "a program is missing"),
        ("exec:cat?args=x".to_owned(), Code::InvalidConfig, "did you mean `arg`"),
    ];
    for (url, code, words) in cases {
        let error = connect(&url).err().unwrap();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(&url) && error.to_string().contains(words), "{error}");
    }
}
