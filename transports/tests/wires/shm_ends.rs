//! `shm:` and `local:` when something is missing: memory, the right server, a peer that lives.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use farcall_core::Code;
use farcall_core::transport::{Listener, Received};

use crate::harness::{
    LIMIT, accept, child, connect, fault, is_over, listen, meet, receive, send, wait_until,
};

fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    (directory, path)
}

/// Sees to those who come while `act` runs elsewhere.
fn beside<T: Send>(listener: &mut dyn Listener, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let acting = scope.spawn(act);
        while !acting.is_finished() {
            assert!(listener.accept().is_err(), "nobody gets in");
            std::thread::yield_now();
        }
        acting.join().unwrap()
    })
}

#[test]
fn a_forked_child_gets_an_error_and_does_no_harm() {
    let (_directory, path) = place();
    for (trust, disabled) in [("same-user", ""), ("hostile", ""), ("same-user", "wipeonfork")] {
        let mut part = child("shm::fork_without_exec");
        part.env("URL", format!("shm:{path}?trust={trust}")).env("FARCALL_TEST_DISABLE", disabled);
        assert!(part.status().unwrap().success(), "{trust} {disabled}");
    }
}

#[test]
fn a_call_in_a_forked_child_is_an_error_and_the_parents_go_on() {
    let (_directory, path) = place();
    let status = child("shm::fork_with_a_client").env("URL", format!("shm:{path}")).status().unwrap();
    assert!(status.success());
}

#[test]
fn without_memory_it_is_refused_with_the_size_and_local_goes_on_without() {
    for (name, value) in [("FARCALL_TEST_DISABLE", "fallocate"), ("FILE_LIMIT", "100000")] {
        assert!(child("shm::without_memory").env(name, value).status().unwrap().success(), "{name}");
    }
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    assert!(child("shm::come_and_go").status().unwrap().success());
}

#[test]
fn a_killed_server_leaves_its_socket_and_its_lock_and_nothing_else() {
    let (directory, path) = place();
    let mut server = child("shm::server").env("URL", format!("shm:{path}")).spawn().unwrap();
    wait_until("the server is up", || connect(&format!("shm:{path}")).is_ok());
    let mut link = connect(&format!("shm:{path}")).unwrap();
    send(&mut *link, b"x").unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(is_over(&link.life().unwrap(), LIMIT));
    assert_eq!(link.accepted(), 1);
    assert!(link.taken().is_some_and(|taken| taken <= 1));
    drop(link);
    let mut left: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["s", "s.lock"]);
    let mut next = listen(&format!("shm:{path}")).unwrap();
    let (here, there) = meet(&mut *next, "");
    crate::conversation::hold(here, there);
}

#[test]
fn a_killed_peer_is_seen_although_its_child_holds_the_socket() {
    let (_directory, path) = place();
    let mut listener = listen(&format!("shm:{path}")).unwrap();
    let mut process = child("shm::speak_and_fork").env("URL", format!("shm:{path}")).spawn().unwrap();
    let mut link = accept(&mut *listener);
    let holder: i32 = String::from_utf8(receive(&mut *link).unwrap().unwrap()).unwrap().parse().unwrap();
    assert!(!is_over(&link.life().unwrap(), Duration::ZERO));
    wait_until("the last words are published", || link.is_quiet() == Some(false));
    process.kill().unwrap();
    assert!(is_over(&link.life().unwrap(), LIMIT));
    process.wait().unwrap();
    // Published before the death, it still counts.
    assert!(matches!(link.receive(), Ok(Received::Frame(b"last words"))));
    assert!(matches!(link.receive(), Ok(Received::WouldBlock)));
    let holder = rustix::process::Pid::from_raw(holder).unwrap();
    rustix::process::kill_process(holder, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn the_wrong_door_is_told_in_words() {
    let (_directory, path) = place();
    let mut listener = listen(&format!("shm:{path}")).unwrap();
    let said = beside(&mut *listener, || {
        let mut stream = connect(&format!("unix:{path}")).unwrap();
        send(&mut *stream, &[0; 60]).unwrap();
        fault(&mut *stream)
    });
    assert!(said.contains("this socket is for shm:, not for unix:"), "{said}");
    beside(&mut *listener, || {
        let mut stranger = UnixStream::connect(&path).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _ = stranger.read_to_end(&mut Vec::new());
    });
    drop(listener);

    let mut listener = listen(&format!("unix:{path}")).unwrap();
    for scheme in ["shm", "local"] {
        let url = format!("{scheme}:{path}");
        let error = std::thread::scope(|scope| {
            let connecting = scope.spawn(|| connect(&url).err().unwrap());
            let mut link = accept(&mut *listener);
            assert!(receive(&mut *link).is_err());
            drop(link);
            connecting.join().unwrap()
        });
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.to_string().contains("if it is a unix: server, connect with unix:"), "{error}");
    }
}

#[test]
fn nobody_at_a_name_or_a_path_is_said() {
    let (_directory, path) = place();
    for url in [format!("shm:{path}"), format!("local:farcall-nobody-{}", std::process::id())] {
        let error = connect(&url).err().unwrap();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.to_string().contains("no such socket"), "{error}");
    }
}

#[test]
fn wishes_are_met_by_what_the_server_has() {
    let (_directory, path) = place();
    let mut both = listen(&format!("local:{path}")).unwrap();
    assert_eq!(both.local_url(), format!("local:{path}"));
    let transport = |scheme: &str, listener: &mut dyn Listener| {
        let url = format!("{scheme}:{path}");
        std::thread::scope(|scope| {
            let connecting = scope.spawn(|| connect(&url).unwrap().peer().transport);
            assert_eq!(accept(listener).peer().transport, "shm");
            connecting.join().unwrap()
        })
    };
    assert_eq!(transport("local", &mut *both), "shm");
    assert_eq!(transport("shm", &mut *both), "shm");
    drop(both);
    let mut memory = listen(&format!("shm:{path}")).unwrap();
    assert_eq!(transport("local", &mut *memory), "shm");
}

#[test]
fn a_client_without_memory_gets_a_stream_of_a_local_server_and_words_of_another() {
    let (_directory, path) = place();
    let mut listener = listen(&format!("local:{path}")).unwrap();
    let mut part = child("shm::client_without_memory");
    part.env("URL", format!("local:{path}")).env("FARCALL_TEST_DISABLE", "memfd");
    let mut process = part.spawn().unwrap();
    let mut link = accept(&mut *listener);
    assert_eq!(link.peer().transport, "unix");
    assert!(link.peer().fallback.unwrap().contains("shares no memory"));
    send(&mut *link, b"x").unwrap_or_default();
    assert_eq!(receive(&mut *link).unwrap().as_deref(), Some(&b"by stream"[..]));
    assert!(link.life().is_some());
    assert!(process.wait().unwrap().success());
    drop(listener);

    let mut listener = listen(&format!("shm:{path}")).unwrap();
    let mut part = child("shm::client_without_memory");
    part.env("URL", format!("local:{path}")).env("FARCALL_TEST_DISABLE", "memfd").env("REFUSED", "1");
    assert!(beside(&mut *listener, move || part.status().unwrap().success()));
}
