//! A short read has emptied the stream, but only until the turn is over: whoever waits for edges looks again.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex};

use farcall_core::transport::{ByteStream, Event, Framed, Link, OutFrame, Peer, Readiness, Received};

type Bytes = Arc<Mutex<VecDeque<u8>>>;

/// Bytes that one side puts and the other takes.
struct Lane(Bytes);

impl ByteStream for Lane {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().expect("nobody panics with it");
        let count = bytes.len().min(buf.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        bytes.drain(..count).zip(buf).for_each(|(byte, place)| *place = byte);
        Ok(count)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.0.lock().expect("nobody panics with it");
        bufs.iter().for_each(|buf| bytes.extend(buf.iter()));
        Ok(bufs.iter().map(|buf| buf.len()).sum())
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }

    fn peer(&self) -> Peer {
        Peer::default()
    }
}

fn say(link: &mut impl Link, text: &str) {
    link.send(OutFrame { head: text.as_bytes(), body: &[] }).expect("there is room");
    link.flush().expect("there is room");
}

fn heard(link: &mut impl Link) -> Option<String> {
    match link.receive().expect("the stream is whole") {
        Received::Frame(frame) => Some(String::from_utf8_lossy(frame).into_owned()),
        _ => None,
    }
}

#[test]
fn what_arrives_between_two_turns_is_heard_in_the_second() {
    let lane = Bytes::default();
    let (mut here, mut there) =
        (Framed::connecting(Lane(Arc::clone(&lane))), Framed::accepted(Lane(Arc::clone(&lane))));
    say(&mut here, "one");
    say(&mut here, "two");

    // The first turn ends by its budget, with a frame that has been read and not handed out.
    assert_eq!(heard(&mut there).as_deref(), Some("one"));
    there.flush().expect("there is nothing to send");

    say(&mut here, "three");
    assert_eq!(heard(&mut there).as_deref(), Some("two"));
    assert_eq!(heard(&mut there).as_deref(), Some("three"));
    assert_eq!(heard(&mut there), None);
}
