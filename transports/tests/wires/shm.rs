//! `shm:` as a conversation, at every level of trust.

use std::time::Duration;

use farcall_core::limits::MAX_FRAME;
use farcall_core::transport::{OutFrame, Received, Sent};

use crate::harness::{is_over, listen, meet, pair, receive, send};

fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("shm:{}/s", directory.path().display());
    (directory, url)
}

#[test]
fn a_conversation_at_every_level_of_trust() {
    for trust in ["trusted", "same-user", "hostile"] {
        let (_directory, url) = place();
        let (here, there, _listener) = pair(&format!("{url}?trust={trust}"));
        for link in [&here, &there] {
            let peer = link.peer();
            assert_eq!((peer.transport, peer.pid), ("shm", Some(std::process::id())));
            assert!(link.capabilities().identity && peer.fallback.is_none());
            assert!(!is_over(&link.life().unwrap(), Duration::ZERO));
        }
        crate::conversation::hold(here, there);
    }
}

#[test]
fn a_conversation_by_name() {
    let (here, there, listener) = pair(&format!("shm:farcall-test-{}", std::process::id()));
    assert_eq!(listener.local_url(), format!("shm:farcall-test-{}", std::process::id()));
    crate::conversation::hold(here, there);
    drop(listener);
    let user = rustix::process::geteuid().as_raw();
    let locks = [format!("/run/user/{user}/farcall"), format!("/tmp/farcall-{user}")].map(|directory| {
        std::fs::remove_file(format!("{directory}/farcall-test-{}.lock", std::process::id()))
    });
    assert!(
        locks.iter().any(Result::is_ok),
        "it was served in one of them, and nothing but the lock is left"
    );
}

#[test]
fn the_smaller_ring_is_taken() {
    let (_directory, url) = place();
    let mut listener = listen(&format!("{url}?ring=1MiB")).unwrap();
    for (option, least, most) in [("", 128, 256), ("?ring=128KiB", 60, 128), ("?ring=8MiB", 512, 1024)] {
        let (mut here, mut there) = meet(&mut *listener, option);
        let mut frames = 0;
        while here.send(OutFrame { head: &[], body: &[7; 1000] }).unwrap() == Sent::Taken {
            frames += 1;
        }
        assert!((least..most).contains(&frames), "{option}: {frames}");
        assert_eq!(here.accepted(), frames);
        assert!(receive(&mut *there).unwrap().is_some());
    }
}

#[test]
fn what_is_taken_is_told_of_a_peer_that_is_gone_and_of_no_other() {
    let (_directory, url) = place();
    let (mut here, mut there, _listener) = pair(&url);
    for _ in 0..3 {
        send(&mut *here, b"frame").unwrap();
    }
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"frame"[..]));
    assert_eq!(here.taken(), None, "it may take more");
    drop(there);
    assert!(is_over(&here.life().unwrap(), Duration::from_secs(20)));
    assert_eq!((here.accepted(), here.taken()), (3, Some(1)));
    assert_eq!(receive(&mut *here).unwrap(), None);
    assert_eq!(here.taken(), Some(1));
}

#[test]
fn a_hostile_peer_proves_nothing() {
    let (_directory, url) = place();
    let (mut here, there, _listener) = pair(&format!("{url}?trust=hostile"));
    send(&mut *here, b"frame").unwrap();
    drop(there);
    assert_eq!(receive(&mut *here).unwrap(), None);
    assert_eq!(here.taken(), None);
}

#[test]
fn a_full_ring_waits_for_room_and_no_frame_is_lost() {
    let (_directory, url) = place();
    let (mut here, mut there, _listener) = pair(&format!("{url}?ring=128KiB"));
    const FRAMES: u32 = 2_000;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..FRAMES {
                let size = (number as usize * 7919) % MAX_FRAME;
                let mut frame = vec![number as u8; size.max(4)];
                frame[..4].copy_from_slice(&number.to_le_bytes());
                send(&mut *here, &frame).unwrap();
            }
        });
        for number in 0..FRAMES {
            let frame = receive(&mut *there).unwrap().unwrap();
            assert_eq!(frame[..4], number.to_le_bytes());
            assert!(frame[4..].iter().all(|byte| *byte == number as u8));
        }
    });
    assert!(matches!(receive(&mut *there), Ok(None)));
    assert!(matches!(there.receive(), Ok(Received::Closed)));
}
