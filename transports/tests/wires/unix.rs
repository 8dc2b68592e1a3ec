//! `unix:` as a conversation, and who speaks there.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use farcall_core::Code;

use crate::harness::{
    LIMIT, accept, child, connect, fault, is_over, is_root, listen, pair, receive, send, wait_until,
};

#[test]
fn a_conversation_over_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there, _listener) = pair(&format!("unix:{}/s", directory.path().display()));
    for link in [&here, &there] {
        let peer = link.peer();
        assert_eq!((peer.transport, peer.pid), ("unix", Some(std::process::id())));
        assert!(link.capabilities().identity);
    }
    crate::conversation::hold(here, there);
}

#[test]
fn a_conversation_over_an_abstract_name() {
    let (here, there, _listener) = pair(&format!("unix:@farcall-test-{}", std::process::id()));
    crate::conversation::hold(here, there);
}

#[test]
fn an_abstract_name_is_served_once() {
    let url = format!("unix:@farcall-once-{}", std::process::id());
    let listener = listen(&url).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("already served"));
    drop(listener);
    // A child that another test is just starting holds all descriptors until it has called exec(2).
    wait_until("the name is free", || connect(&url).is_err_and(|error| error.code() == Code::Unavailable));
}

#[test]
fn the_peers_process_is_known_from_the_first_frame_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut here, mut there, _listener) = pair(&format!("unix:{}/s", directory.path().display()));
    assert!(there.life().is_none());
    send(&mut *here, b"hello").unwrap();
    receive(&mut *there).unwrap();
    send(&mut *there, b"hello").unwrap();
    receive(&mut *here).unwrap();
    assert!(!is_over(&there.life().unwrap(), std::time::Duration::ZERO));
    assert!(std::sync::Arc::ptr_eq(&there.life().unwrap(), &here.life().unwrap()));
}

#[test]
fn a_killed_peer_is_seen_although_its_child_holds_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}/s", directory.path().display());
    let mut listener = listen(&url).unwrap();
    let mut process = child("speak_and_fork").env("URL", &url).stdout(Stdio::null()).spawn().unwrap();
    let mut link = accept(&mut *listener);
    let holder: i32 = String::from_utf8(receive(&mut *link).unwrap().unwrap()).unwrap().parse().unwrap();
    process.kill().unwrap();
    assert!(is_over(&link.life().unwrap(), LIMIT));
    process.wait().unwrap();
    assert!(matches!(link.receive(), Ok(farcall_core::transport::Received::WouldBlock)));
    let holder = rustix::process::Pid::from_raw(holder).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::KILL).unwrap();
    assert!(matches!(receive(&mut *link), Ok(None)));
}

#[test]
fn without_pidfds_there_is_end_of_file() {
    let status = child("without_pidfd").env("FARCALL_TEST_DISABLE", "passpidfd").status().unwrap();
    assert!(status.success());
}

#[test]
fn other_users_are_not_let_in_and_not_believed() {
    if !is_root() {
        return;
    }
    let name = format!("unix:@farcall-users-{}", std::process::id());
    let mut listener = listen(&name).unwrap();
    let mut stranger = child("stranger").env("URL", &name).spawn().unwrap();
    wait_until("the stranger is turned away", || {
        assert!(listener.accept().is_err());
        connect(&format!("{name}-reversed")).is_err_and(|error| error.code() == Code::PermissionDenied)
    });
    wait_until("the stranger has seen the end", || {
        assert!(listener.accept().is_err());
        stranger.try_wait().unwrap().is_some()
    });
    assert!(stranger.wait().unwrap().success());
}

#[test]
fn a_stranger_is_reported_with_its_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut listener = listen(&format!("unix:{}", path.display())).unwrap();
    let mut stranger = UnixStream::connect(&path).unwrap();
    stranger.write_all(b"\x16\x03\x01 TLS?").unwrap();
    let said = fault(&mut *accept(&mut *listener));
    assert!(said.contains(r"\x16\x03\x01 TLS?"), "{said}");
}
