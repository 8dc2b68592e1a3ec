//! The framing adapter over streams that do odd things.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use farcall_core::testkit::Wires;
use farcall_core::transport::{ByteStream, Event, Framed, Link, LinkFault, OutFrame, Peer, Readiness};

/// A stream that takes nothing and does not say why.
struct Mute;

impl ByteStream for Mute {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(0)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }

    fn peer(&self) -> Peer {
        Peer::on("mute")
    }
}

#[test]
fn a_write_that_takes_nothing_is_an_error_and_no_endless_loop() {
    let mut link = Framed::connecting(Mute);
    link.send(OutFrame { head: b"head", body: b"" }).unwrap();
    match link.flush() {
        Err(LinkFault::Io(error)) => assert_eq!(error.kind(), ErrorKind::WriteZero),
        other => panic!("{other:?}"),
    }
    assert_eq!(link.accepted(), 0);
}

#[test]
fn the_preface_goes_before_the_first_frame_be_it_large_or_small() {
    for size in [0, 60_000] {
        let wires = Wires::new();
        let mut link = Framed::connecting(wires.stream(0));
        link.send(OutFrame { head: b"head", body: &vec![7; size] }).unwrap();
        link.flush().unwrap();
        assert_eq!(wires.tape(0)[..8], *b"\xFARCALL\n\x01", "{size} bytes");
        assert_eq!(wires.tape(0).len(), 8 + 4 + 4 + size);
    }
}
