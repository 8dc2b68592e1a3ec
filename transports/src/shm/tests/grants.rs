//! Servers whose grants are false: each is refused in words, and nothing of what it passed is touched or kept.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use farcall_core::testkit::Chance;
use farcall_core::transport::Link;
use farcall_core::wire::rendezvous::{Answer, GRANT_SIZE, Grant, MemoryKind};
use farcall_core::{Code, Error, Trust};
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{await_readable, place};
use crate::rendezvous::{Caller, Callers};
use crate::ring::Layout;
use crate::scheme::Scheme;
use crate::shm::source::Source;
use crate::shm::{Offer, Shm};
use crate::url::Url;

/// An honest answer, and what belongs to it: what a test falsifies.
struct Answered {
    grant: Grant,
    descriptors: Vec<OwnedFd>,
    /// Sent instead of the grant.
    bytes: Option<Vec<u8>>,
}

/// What a client comes to that meets a server which falsifies its answer like this.
fn met(falsify: impl FnOnce(&mut Answered) + Send) -> Result<Box<dyn Link>, Error> {
    let (directory, url) = place();
    let listener = UnixListener::bind(directory.path().join("s")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = Url::parse(&url).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let listening = listener.as_fd().try_clone_to_owned().unwrap();
            let mut callers = Callers::new(listening, "shm").unwrap();
            await_readable(&listener);
            let caller = loop {
                match callers.next() {
                    Ok(caller) => break caller,
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            };
            answer(caller, falsify);
        });
        Shm.connect(&url, &mut url.query())
    })
}

fn answer(caller: Caller, falsify: impl FnOnce(&mut Answered)) {
    let socket = Arc::new(caller.socket);
    let layout = Layout::new(128 * 1024).unwrap();
    let (kind, mark) = (MemoryKind::Memfd, crate::mark::Mark::fresh().unwrap());
    let source = Source { kind, mark, directory: std::env::temp_dir() };
    let offer = Offer::make(&source, layout, Trust::SameUser, &socket).unwrap();
    let answer = memory(128 * 1024);
    let grant = Grant { answer, trust: Trust::SameUser, nonce: caller.request.nonce, reason: String::new() };
    let mut answered = Answered { grant, descriptors: offer.descriptors, bytes: None };
    falsify(&mut answered);
    let bytes = answered.bytes.unwrap_or_else(|| answered.grant.encode());
    let passed: Vec<BorrowedFd<'_>> = answered.descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    }
    // A client that has seen enough may have closed its end.
    let _ = sendmsg(&*socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
}

fn memory(ring: u32) -> Answer {
    Answer::Memory { kind: MemoryKind::Memfd, segment: 0, ring, keys: [1, 2] }
}

fn refused(words: &str, falsify: impl FnOnce(&mut Answered) + Send) -> Code {
    let error = met(falsify).err().expect(words);
    assert!(error.to_string().contains(words), "{error}");
    error.code()
}

fn an_eventfd(flags: EventfdFlags) -> OwnedFd {
    eventfd(0, flags).unwrap()
}

#[test]
fn an_honest_grant_is_taken() {
    assert!(met(|_| ()).is_ok());
}

#[test]
fn another_number_of_descriptors_is_refused() {
    for count in [0, 1, 2, 4, 64] {
        let code = refused("descriptors came with it where 3 belong", |answered| {
            let own = || an_eventfd(EventfdFlags::NONBLOCK);
            answered.descriptors.truncate(count);
            answered.descriptors.resize_with(count, own);
        });
        assert_eq!(code, Code::ProtocolViolation);
    }
}

#[test]
fn a_descriptor_of_another_kind_is_refused() {
    refused("not memory", |answered| answered.descriptors[0] = an_eventfd(EventfdFlags::NONBLOCK));
    refused("a bell that it passes is none", |answered| {
        answered.descriptors[1] = std::io::pipe().unwrap().1.into()
    });
    refused("a bell that it passes is none", |answered| {
        answered.descriptors[2] = an_eventfd(EventfdFlags::empty());
    });
    refused("a bell that it passes is none", |answered| answered.descriptors.rotate_left(1));
}

#[test]
fn memory_of_another_size_than_granted_is_refused() {
    for (ring, words) in
        [(256 * 1024, "were agreed"), (64 * 1024, "no ring has the size"), (100_000, "no ring has the size")]
    {
        refused(words, |answered| {
            answered.grant.answer = memory(ring);
        });
    }
}

#[test]
fn more_than_was_asked_for_is_refused() {
    refused("grants more than was asked for", |answered| {
        answered.grant.answer = memory(1 << 20);
    });
    refused("trusts more", |answered| answered.grant.trust = Trust::Trusted);
    refused("grants no memory", |answered| {
        answered.grant.answer = Answer::Stream;
        answered.descriptors.clear();
    });
}

#[test]
fn an_answer_to_somebody_else_is_refused() {
    refused("another request", |answered| answered.grant.nonce[15] ^= 1);
}

#[test]
fn a_refusal_says_why() {
    let code = refused("the server says: no room at this user's inn", |answered| {
        answered.grant.answer = Answer::Refused(Code::ResourceExhausted);
        answered.grant.reason = "no room at this user's inn".into();
        answered.descriptors.clear();
    });
    assert_eq!(code, Code::ResourceExhausted);
}

#[test]
fn silence_and_nonsense_are_told_apart() {
    let code = refused("without an answer", |answered| {
        answered.bytes = Some(Vec::new());
        answered.descriptors.clear();
    });
    assert_eq!(code, Code::Unavailable);
    let code = refused("not understood", |answered| answered.bytes = Some(vec![b'x'; GRANT_SIZE]));
    assert_eq!(code, Code::ProtocolViolation);
    refused("without an answer", |answered| {
        let bytes = answered.grant.encode();
        answered.bytes = Some(bytes[..GRANT_SIZE - 1].to_vec());
    });
}

#[test]
fn a_grant_with_garbled_bytes_is_refused_or_read_as_what_it_says() {
    let mut chance = Chance::new(7);
    for byte in 0..GRANT_SIZE {
        let flip = 1 << chance.below(8);
        let garbled = met(|answered| {
            let mut bytes = answered.grant.encode();
            bytes[byte] ^= flip;
            // A size of text that does not come would be waited for.
            bytes.resize(GRANT_SIZE + 512, b' ');
            answered.bytes = Some(bytes);
        });
        // Keys and what only a refusal has may be any, and the text is there.
        match byte {
            50 | 51 => {}
            _ => assert_eq!(garbled.is_ok(), (32..50).contains(&byte), "byte {byte}: {:?}", garbled.err()),
        }
    }
}
