//! A real link, and a peer that has the same memory and bells but no manners.

use farcall_core::limits::IDLE_FRAMES;
use farcall_core::transport::{Link, LinkFault, OutFrame, Received, Sent};

use super::{await_readable, link_and_raw};
use crate::ring::{Ends, Memory, Popped};
use crate::shm::Parts;

/// Where the connecting side tells how much it has freed, and how many frames it has taken: see `WIRE.md`.
const FREED: usize = 260;
const TAKEN: usize = 256;

fn write(peer: &Parts, at: usize, value: u32) {
    peer.memory.copy_in(at, &value.to_le_bytes());
}

fn fill(link: &mut dyn Link) -> Result<(), LinkFault> {
    while link.send(OutFrame { head: &[], body: &[1; 5000] })? == Sent::Taken {}
    Ok(())
}

fn broken(result: Result<impl std::fmt::Debug, LinkFault>) -> String {
    match result {
        Err(LinkFault::Broken(why)) => why,
        other => panic!("no rule is broken: {other:?}"),
    }
}

#[test]
fn r4_room_that_was_never_used_cannot_be_freed() {
    let (mut link, peer) = link_and_raw("");
    write(&peer, FREED, 0x7000_0000);
    assert!(broken(fill(&mut *link)).contains("freed room"));
    // R16: nothing is repaired.
    write(&peer, FREED, 0);
    broken(link.send(OutFrame { head: &[], body: &[] }));
}

#[test]
fn frames_that_were_never_sent_cannot_be_taken() {
    let (mut link, peer) = link_and_raw("");
    fill(&mut *link).unwrap();
    write(&peer, TAKEN, 0x7000_0000);
    drop(peer.socket);
    drop(peer.bell);
    await_readable(&*link.life().unwrap());
    assert_eq!(link.taken(), None);
}

#[test]
fn r11_a_peer_that_rings_without_end_is_not_listened_to_without_end() {
    for trust in ["?trust=same-user", "?trust=hostile"] {
        let (mut link, peer) = link_and_raw(trust);
        let mut rings = 0;
        while link.is_quiet() == Some(true) {
            peer.bell.ring();
            assert!(matches!(link.receive(), Ok(Received::WouldBlock)));
            link.arm();
            rings += 1;
            assert!(rings <= 2 * IDLE_FRAMES, "{trust}");
        }
        assert!(rings > IDLE_FRAMES && broken(link.receive()).contains("for nothing"), "{trust}");
    }
}

#[test]
fn honest_rings_are_never_too_many() {
    let (mut link, peer) = link_and_raw("");
    let Parts { memory, layout, side, keys, bell, .. } = peer;
    let mut ends = Ends::new(memory, layout, side, keys);
    for _ in 0..2 * IDLE_FRAMES {
        assert!(link.arm());
        ends.producer.push(b"frame", &[]).unwrap();
        assert!(ends.must_ring(true), "somebody sleeps");
        bell.ring();
        assert_eq!(link.receive().unwrap(), Received::Frame(b"frame"));
    }
    assert!(matches!(link.receive(), Ok(Received::WouldBlock)));
}

#[test]
fn whoever_disarms_is_not_rung_for_until_somebody_arms() {
    let (mut link, peer) = link_and_raw("");
    let Parts { memory, layout, side, keys, bell, .. } = peer;
    let mut ends = Ends::new(memory, layout, side, keys);
    assert!(link.arm());
    link.disarm();
    ends.producer.push(b"one", &[]).unwrap();
    assert!(!ends.must_ring(true));
    assert!(link.is_quiet() == Some(false) && !link.arm());
    assert_eq!(link.receive().unwrap(), Received::Frame(b"one"));
    assert!(link.is_quiet() == Some(true) && link.arm());
    // Rung and then disarmed: the ring is taken off before the next sleep.
    ends.producer.push(b"two", &[]).unwrap();
    assert!(ends.must_ring(true));
    bell.ring();
    link.disarm();
    assert_eq!(link.receive().unwrap(), Received::Frame(b"two"));
    assert!(link.arm());
    let farcall_core::transport::Readiness::Bell(fd) = link.readiness() else { unreachable!() };
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [rustix::event::PollFd::new(&*fd, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut fds, Some(&now)), Ok(0));
}

#[test]
fn whoever_looks_for_room_himself_is_not_rung_for_it_until_somebody_arms() {
    let (mut link, peer) = link_and_raw("");
    let Parts { memory, layout, side, keys, .. } = peer;
    let mut ends = Ends::new(memory, layout, side, keys);
    let mut frame = Vec::new();
    link.disarm();
    fill(&mut *link).unwrap();
    assert_eq!(link.is_quiet(), Some(true), "there is no room");
    while ends.consumer.pop(&mut frame).unwrap() == Popped::Frame {
        assert!(!ends.must_ring(false));
    }
    assert!(link.is_quiet() == Some(false) && !link.arm_for_room(), "there is room");
    fill(&mut *link).unwrap();
    // What has come is no news to somebody who waits for room.
    ends.producer.push(b"frame", &[]).unwrap();
    assert!(!link.arm() && link.arm_for_room());
    while ends.consumer.pop(&mut frame).unwrap() == Popped::Frame {}
    assert!(ends.must_ring(false));
}

#[test]
fn both_raw_ends_understand_each_other() {
    let (mut link, peer) = link_and_raw("");
    let Parts { memory, layout, side, keys, .. } = peer;
    let mut ends = Ends::new(memory, layout, side, keys);
    link.send(OutFrame { head: b"for ", body: b"you" }).unwrap();
    let mut frame = Vec::new();
    assert_eq!(ends.consumer.pop(&mut frame), Ok(Popped::Frame));
    assert_eq!(frame, b"for you");
}
