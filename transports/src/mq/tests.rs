//! Queues in which somebody else has his hands.

use std::sync::Arc;

use farcall_core::limits::MAX_FRAME;
use farcall_core::transport::{Link, OutFrame, Peer, Received, Sent};
use farcall_core::{Code, Trust};
use rustix::io::Errno;

use super::Mq;
use super::link::{MqLink, Parts};
use crate::mark::Mark;
use crate::queue::{Queue, explain, unlink};
use crate::scheme::Scheme;
use crate::url::Url;

const SIZE: usize = 64;

fn queue() -> Queue {
    let mark = Mark::fresh().unwrap();
    let queue = Queue::create(mark.name(), 4, SIZE).unwrap();
    unlink(mark.name()).unwrap();
    queue
}

/// Two links, and the queue from the first to the second.
fn links() -> (MqLink, MqLink, Queue) {
    let (there, back) = (queue(), queue());
    let (one, two) = std::os::unix::net::UnixStream::pair().unwrap();
    let link = |inward: &Queue, outward: &Queue, keys, socket: std::os::unix::net::UnixStream| {
        MqLink::new(Parts {
            inward: inward.clone(),
            outward: outward.clone(),
            keys,
            message: SIZE,
            socket: Arc::new(socket.into()),
            process: None,
            peer: Peer::on("mq"),
            trust: Trust::SameUser,
        })
        .unwrap()
    };
    (link(&back, &there, (2, 1), one), link(&there, &back, (1, 2), two), there)
}

fn send(link: &mut MqLink, body: &[u8]) -> Sent {
    link.send(OutFrame { head: b"head", body }).unwrap()
}

fn fault(link: &mut MqLink) -> String {
    link.receive().unwrap_err().to_string()
}

#[test]
fn a_message_of_somebody_else_ends_the_connection() {
    let (_one, mut two, there) = links();
    there.send(&[7; 20], 0).unwrap();
    assert!(fault(&mut two).contains("somebody else"));
}

#[test]
fn a_message_that_somebody_else_has_taken_ends_the_connection() {
    let (mut one, mut two, there) = links();
    send(&mut one, b"first");
    send(&mut one, b"second");
    there.receive(&mut [0; SIZE]).unwrap();
    assert!(fault(&mut two).contains("somebody else"));
}

#[test]
fn messages_of_false_lengths_end_the_connection() {
    let stamp = |position| crate::ring::seal(1, position).0.to_le_bytes();
    let message = |length: u32, bytes: &[u8]| [&stamp(0), &length.to_le_bytes()[..], bytes].concat();
    for (false_one, words) in [
        (vec![1, 2, 3], "too short"),
        (message(3, b"four"), "another length"),
        (message(5, b"four"), "another length"),
        (message(MAX_FRAME as u32 + 1, b"four"), "limit"),
    ] {
        let (_one, mut two, there) = links();
        there.send(&false_one, 0).unwrap();
        assert!(fault(&mut two).contains(words), "{words}");
    }
    let (_one, mut two, there) = links();
    there.send(&message(200, &[7; SIZE - 8]), 0).unwrap();
    assert_eq!(two.receive().unwrap(), Received::WouldBlock);
    assert!(two.is_mid_frame());
    there.send(&[&stamp(1), &9_u32.to_le_bytes()[..], b"nine nine"].concat(), 0).unwrap();
    assert!(fault(&mut two).contains("within another"));
}

#[test]
fn a_frame_larger_than_the_queue_is_taken_and_arrives_as_the_peer_makes_room() {
    let (mut one, mut two, _there) = links();
    let body: Vec<u8> = (0..10_000).map(|at| at as u8).collect();
    assert_eq!(send(&mut one, &body), Sent::Taken);
    assert_eq!((one.accepted(), send(&mut one, b"next")), (0, Sent::WouldBlock));
    let whole = [b"head", &body[..]].concat();
    loop {
        let _ = one.flush().unwrap();
        if let Received::Frame(frame) = two.receive().unwrap() {
            assert_eq!(frame, whole);
            break;
        }
    }
    assert_eq!((one.flush().unwrap(), one.accepted()), (Sent::Taken, 1));
}

#[test]
fn what_a_peer_that_is_gone_has_not_taken_is_known() {
    let (mut one, mut two, _there) = links();
    (0..3).for_each(|_| assert_eq!(send(&mut one, b"frame"), Sent::Taken));
    assert_eq!(two.receive().unwrap(), Received::Frame(b"headframe"));
    assert_eq!(one.taken(), None, "it may take more");
    drop(two);
    assert_eq!((one.accepted(), one.taken()), (3, Some(1)));
    assert_eq!(one.receive().unwrap(), Received::Closed);
}

#[test]
fn limits_of_the_kernel_are_named_with_the_remedy() {
    for (errno, code, words) in [
        (Errno::MFILE, Code::ResourceExhausted, "ulimit -q"),
        (Errno::NOSPC, Code::ResourceExhausted, "fs.mqueue.queues_max"),
        (Errno::INVAL, Code::InvalidConfig, "fs.mqueue.msg_max"),
        (Errno::EXIST, Code::PermissionDenied, "planted"),
    ] {
        let error = explain(errno, 8, 1024);
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(words) && error.to_string().contains("8 x 1024"), "{error}");
    }
}

#[test]
fn a_queue_that_somebody_has_planted_under_our_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let url = Url::parse(&format!("mq:{}/s", directory.path().display())).unwrap();
    let mut listener = Mq.listen(&url, &mut url.query()).unwrap();
    let lock = std::fs::File::open(directory.path().join("s.lock")).unwrap();
    let mark = Mark::left_in(&lock).unwrap();
    let planted = Queue::create(mark.name(), 8, 1024).unwrap();
    planted.send(b"a forged message", 0).unwrap();
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| Mq.connect(&url, &mut url.query()).err().unwrap());
        while !visitor.is_finished() {
            assert!(listener.accept().is_err());
            std::thread::yield_now();
        }
        let error = visitor.join().unwrap();
        assert_eq!(error.code(), Code::PermissionDenied);
        assert!(error.to_string().contains("planted"), "{error}");
    });
    unlink(mark.name()).unwrap();
}
