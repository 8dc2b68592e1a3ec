//! The framing adapter over streams that do odd things.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

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
