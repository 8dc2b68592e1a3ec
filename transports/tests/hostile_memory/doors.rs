//! Attacks at the door of a server, before anything is granted.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use farcall_core::testkit::Chance;

use crate::end::End;
use crate::frames;
use crate::rendezvous::{GRANT, HOSTILE, SAME_USER, bell, enter, hear_out, pass, request, visit};
use crate::siege::{Siege, rounds};
use crate::victim::HOSTS;
use crate::visitors::circumstances;

/// One row: what is done at this door.
struct Attempt {
    name: &'static str,
    act: fn(&Path, &mut Chance),
}

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "bytes that chance has made",
        act: |door, chance| {
            let noise: Vec<u8> = (0..1 + chance.below(100)).map(|_| chance.number() as u8).collect();
            assert_eq!(told(door, &noise), "");
        },
    },
    Attempt {
        name: "a request of another version",
        act: |door, chance| {
            let mut request = request(SAME_USER);
            request[7] = 2 + chance.below(254) as u8;
            assert!(told(door, &request).contains("another version"));
        },
    },
    Attempt {
        name: "a request for what nobody has",
        act: |door, chance| {
            let mut request = request(SAME_USER);
            let (at, least) = chance.pick(&[(8, 5), (9, 3), (10, 2)]);
            request[at] = (least + chance.below(256 - least)) as u8;
            let told = told(door, &request);
            assert!(["known here", "what is served is"].iter().any(|words| told.contains(words)), "{told}");
        },
    },
    Attempt {
        name: "rings that are too small",
        act: |door, chance| {
            let mut request = request(SAME_USER);
            let ring = chance.pick(&[0, 1, 4096, 131_071, chance.clone().below(131_072) as u32]);
            request[12..16].copy_from_slice(&ring.to_le_bytes());
            assert!(told(door, &request).contains("the client takes rings of"));
        },
    },
    Attempt {
        name: "rings that are too large",
        act: |door, chance| {
            let mut request = request(SAME_USER);
            let ring = chance.pick(&[u32::MAX, 1 << 31, (1 << 30) + 1]);
            request[12..16].copy_from_slice(&ring.to_le_bytes());
            let mut socket = enter(door);
            socket.write_all(&request).expect("the victim reads");
            // As large as the victim's own, and no larger.
            assert_eq!(std::io::Read::read(&mut socket, &mut [0; GRANT]).expect("a grant"), GRANT);
        },
    },
    Attempt {
        name: "a request with descriptors",
        act: |door, chance| {
            let mut socket = enter(door);
            let passed: Vec<_> = (0..1 + chance.below(30)).map(|_| bell()).collect();
            if pass(&socket, &request(SAME_USER), &passed) {
                assert!(hear_out(&mut socket).len() < GRANT, "it is no request");
            }
        },
    },
    Attempt {
        name: "it asks and does not wait for the answer",
        act: |door, chance| {
            let mut socket = enter(door);
            socket.write_all(&request(chance.pick(&[SAME_USER, HOSTILE]))).expect("the victim reads");
        },
    },
    Attempt {
        name: "half a request, and gone",
        act: |door, chance| {
            let mut socket = enter(door);
            let half = chance.below(32);
            socket.write_all(&request(SAME_USER)[..half]).expect("the victim reads");
        },
    },
    Attempt {
        name: "more after the request",
        act: |door, chance| {
            let mut socket = enter(door);
            let mut bytes = request(chance.pick(&[SAME_USER, HOSTILE]));
            bytes.resize(32 + chance.below(400), 7);
            socket.write_all(&bytes).expect("the victim reads");
            assert_eq!(std::io::Read::read(&mut socket, &mut [0; GRANT]).expect("a grant"), GRANT);
        },
    },
    Attempt {
        name: "two hundred who say nothing",
        act: |door, chance| {
            let mut silent: Vec<UnixStream> = (0..200).map(|_| enter(door)).collect();
            for socket in &mut silent {
                let half = chance.below(32);
                // Whom the victim has shown out cannot say anything.
                let _ = socket.write_all(&request(SAME_USER)[..half]);
            }
            // Somebody who asks is served among them.
            let mut end = End::new(visit(door, SAME_USER));
            end.say(&frames::hello());
            assert!(end.await_kind(frames::HELLO).is_some());
        },
    },
];

/// What is answered before the victim lets go, as text.
fn told(door: &Path, bytes: &[u8]) -> String {
    let mut socket = enter(door);
    // It may have had enough before all is said.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    String::from_utf8_lossy(hear_out(&mut socket).get(GRANT..).unwrap_or_default()).into_owned()
}

pub(crate) fn carry_out() {
    let mut siege = Siege::lay();
    for Attempt { name, act } in ATTEMPTS {
        siege.suffer(name, rounds(), |siege, round, chance| act(&siege.door(circumstances(round).0), chance));
    }
    siege.lift();
}

/// Everybody who stops in the middle is shown out, all at the same time.
pub(crate) fn fall_silent() {
    let mut siege = Siege::lay();
    siege.suffer("silence", 0, |siege, _, chance| {
        let began = Instant::now();
        let mut silent = Vec::new();
        let mut ends = Vec::new();
        for host in 0..HOSTS.len() {
            for _ in 0..10 {
                let mut socket = enter(&siege.door(host));
                let half = chance.below(32);
                socket.write_all(&request(SAME_USER)[..half]).expect("the victim reads");
                silent.push(socket);
                // These have been granted memory, and say no hello.
                ends.push(End::new(visit(&siege.door(host), chance.pick(&[SAME_USER, HOSTILE]))));
            }
        }
        silent.iter_mut().for_each(|socket| assert!(hear_out(socket).is_empty()));
        ends.iter().for_each(End::await_end);
        let took = began.elapsed();
        assert!((Duration::from_secs(4)..Duration::from_secs(15)).contains(&took), "{took:?}");
    });
    siege.lift();
}
