//! `mq:` as a conversation, and what goes wrong with message queues.

use std::io::ErrorKind;
use std::time::Duration;

use farcall_core::Code;
use farcall_core::transport::{OutFrame, Sent};

use crate::harness::{connect, is_over, listen, meet, pair, receive, send};

fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("mq:{}/s", directory.path().display());
    (directory, url)
}

#[test]
fn a_conversation_at_every_size() {
    for options in ["", "?depth=2&msgsize=64", "?depth=10&msgsize=8KiB", "?trust=hostile"] {
        let (_directory, url) = place();
        let (here, there, _listener) = pair(&format!("{url}{options}"));
        for link in [&here, &there] {
            assert_eq!((link.peer().transport, link.peer().pid), ("mq", Some(std::process::id())));
            assert!(link.capabilities().identity && !is_over(&link.life().unwrap(), Duration::ZERO));
        }
        crate::conversation::hold(here, there);
    }
}

#[test]
fn the_smaller_queue_is_taken() {
    let (_directory, url) = place();
    let mut listener = listen(&format!("{url}?depth=4&msgsize=512")).unwrap();
    for (options, depth) in [("", 4), ("?depth=2&msgsize=128", 2), ("?depth=9&msgsize=1KiB", 4)] {
        let (mut here, mut there) = meet(&mut *listener, options);
        let mut frames = 0;
        while here.send(OutFrame { head: &[7; 16], body: &[] }).unwrap() == Sent::Taken {
            frames += 1;
        }
        assert_eq!(frames, depth, "{options}: a small frame is a message");
        assert!(receive(&mut *there).unwrap().is_some());
    }
    let error = connect(&format!("{url}?msgsize=1MB")).err().unwrap();
    assert!(error.to_string().contains("out of range"), "{error}");
}

#[test]
fn thirty_connections_fit_in_what_a_user_has_by_default() {
    let (_directory, url) = place();
    let mut listener = listen(&url).unwrap();
    let mut links: Vec<_> = (0..30).map(|_| meet(&mut *listener, "")).collect();
    for (here, there) in &mut links {
        send(&mut **here, b"frame").unwrap();
        assert_eq!(receive(&mut **there).unwrap().as_deref(), Some(&b"frame"[..]));
    }
}

/// Connects to a server that refuses, while it accepts nobody.
fn refused_by(scheme: &str, served: &str, options: &str) -> farcall_core::Error {
    let (_directory, url) = place();
    let mut listener = listen(&format!("{url}{served}")).unwrap();
    let visiting = format!("{}{options}", url.replace("mq:", scheme));
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| connect(&visiting).err().unwrap());
        while !visitor.is_finished() {
            assert_eq!(listener.accept().err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
            std::thread::yield_now();
        }
        visitor.join().unwrap()
    })
}

#[test]
fn more_bytes_than_a_user_may_have_are_refused_with_the_remedy() {
    // Two queues of this size are beyond the default limit; root may have deeper queues than others.
    let error = refused_by("mq:", "?depth=255&msgsize=8KiB", "");
    match error.code() {
        Code::ResourceExhausted => assert!(error.to_string().contains("ulimit -q"), "{error}"),
        code => {
            assert_eq!(code, Code::InvalidConfig);
            assert!(error.to_string().contains("fs.mqueue.msg_max"), "{error}");
        }
    }
}

#[test]
fn whoever_wants_memory_of_queues_is_told_where_it_is() {
    let error = refused_by("shm:", "", "");
    assert!(error.to_string().contains("connect with mq:"), "{error}");
}

#[test]
fn whoever_wants_queues_of_memory_is_told_where_it_is() {
    let (_directory, url) = place();
    let mut listener = listen(&url.replace("mq:", "shm:")).unwrap();
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| connect(&url).err().unwrap());
        while !visitor.is_finished() {
            assert!(listener.accept().is_err());
            std::thread::yield_now();
        }
        let error = visitor.join().unwrap();
        assert!(error.to_string().contains("connect with shm:"), "{error}");
    });
}

#[test]
fn no_queue_is_left_by_its_name() {
    let (directory, url) = place();
    let (here, there, listener) = pair(&url);
    let lock = std::fs::read_to_string(directory.path().join("s.lock")).unwrap();
    let mark = lock.split_whitespace().nth(1).unwrap();
    assert_eq!(mark.len(), 32, "the lock file says of what name the queues were: {lock}");
    drop((here, there, listener));
    let left: Vec<_> = std::fs::read_dir(&directory).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "the lock file stays");
}
