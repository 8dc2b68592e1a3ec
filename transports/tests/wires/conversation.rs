//! What holds on every wire, between two links that are connected.

use std::time::Duration;

use farcall_core::limits::MAX_FRAME;
use farcall_core::transport::{Link, OutFrame, Received, Sent};

use crate::harness::{flush, receive, send};

/// Frames of all sizes in both directions, more than the wire holds, and the end.
pub(crate) fn hold(mut here: Box<dyn Link>, mut there: Box<dyn Link>) {
    exchange(&mut *here, &mut *there);
    exchange(&mut *there, &mut *here);
    let size = stuff(&mut *here, &mut *there);
    assert!(size > 1 << 10, "only {size} bytes fit in");
    leave(here, there);
}

fn exchange(from: &mut dyn Link, to: &mut dyn Link) {
    let before = from.accepted();
    // The first frame of a direction is small, as a hello is.
    for (number, size) in [1, 0, 7, 4096, MAX_FRAME, 100].into_iter().enumerate() {
        let frame = vec![number as u8; size];
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| send(from, &frame));
            assert_eq!(receive(to).unwrap().as_deref(), Some(&frame[..]));
            sender.join().unwrap().unwrap();
        });
    }
    assert_eq!(from.accepted() - before, 6);
    assert!(matches!(to.receive(), Ok(Received::WouldBlock)));
    assert!(!to.is_mid_frame());
}

/// Sends until the wire is full, and then reads it all.
fn stuff(from: &mut dyn Link, to: &mut dyn Link) -> usize {
    let body = [7; 10_000];
    let mut count = 0usize;
    while from.send(OutFrame { head: &(count as u32).to_le_bytes(), body: &body }).unwrap() == Sent::Taken {
        count += 1;
        assert!(count < 100_000, "the wire takes without end");
    }
    let accepted = from.accepted();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| flush(from));
        for number in 0..count {
            let frame = receive(to).unwrap().unwrap();
            assert_eq!(frame[..4], (number as u32).to_le_bytes());
        }
        sender.join().unwrap().unwrap();
    });
    assert!(from.accepted() >= accepted);
    count * body.len()
}

/// What was sent before the end is still received; then comes the end, on both sides.
fn leave(mut here: Box<dyn Link>, mut there: Box<dyn Link>) {
    send(&mut *here, b"last words").unwrap();
    drop(here);
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"last words"[..]));
    assert_eq!(receive(&mut *there).unwrap(), None);
    let mut attempts = 0;
    while send(&mut *there, b"is anybody there").is_ok() {
        attempts += 1;
        assert!(attempts < 10_000, "writing to nobody succeeds");
        std::thread::park_timeout(Duration::from_micros(100));
    }
}
