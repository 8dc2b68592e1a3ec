//! Frames over a byte stream that is split anywhere: the same frames, or the same fault, as from the stream whole.

#![no_main]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use farcall_core::limits::{MAX_FRAME, MAX_HELLO};
use farcall_core::transport::{ByteStream, Event, Framed, Link, OutFrame, Peer, Readiness, Received, Sent};

const PREFACE: &[u8; 8] = b"\xFARCALL\n\x01";

/// Gives and takes bytes in pieces of these sizes; a piece of none is a "would block".
struct Pieces {
    sizes: VecDeque<u8>,
    input: VecDeque<u8>,
    output: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Pieces {
    fn piece(&mut self, most: usize) -> io::Result<usize> {
        match self.sizes.pop_front() {
            Some(0) => Err(ErrorKind::WouldBlock.into()),
            Some(size @ 1..=200) => Ok(usize::from(size).min(most)),
            Some(size) => Ok((usize::from(size - 200) * 4_096).min(most)),
            None => Ok(most),
        }
    }
}

impl ByteStream for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = self.piece(buf.len().min(self.input.len()))?;
        for (to, from) in buf.iter_mut().zip(self.input.drain(..size)) {
            *to = from;
        }
        Ok(size)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let size = self.piece(all)?;
        let bytes = bufs.iter().flat_map(|buf| buf.iter().copied()).take(size);
        self.output.lock().expect("one thread").extend(bytes);
        Ok(size)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }

    fn peer(&self) -> Peer {
        Peer::on("pieces")
    }
}

/// The frames on a stream, and whether it ends in a fault.
fn reference(mut bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Vec::new();
    let known = bytes.len().min(PREFACE.len());
    if bytes[..known] != PREFACE[..known] {
        return (frames, true);
    }
    bytes = &bytes[known..];
    let mut limit = MAX_HELLO;
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        if size > limit {
            return (frames, true);
        }
        let Some((frame, rest)) = rest.split_at_checked(size) else { break };
        frames.push(frame.to_vec());
        (bytes, limit) = (rest, MAX_FRAME);
    }
    (frames, false)
}

fn receive(sizes: &[u8], bytes: &[u8]) {
    let pieces = Pieces { sizes: sizes.to_vec().into(), input: bytes.to_vec().into(), output: Arc::default() };
    let mut link = Framed::accepted(pieces);
    let mut frames = Vec::new();
    let mut fault = false;
    // Each piece ends in at most one "would block" of its own and one after a short read.
    for turn in 0.. {
        assert!(turn < 4 * (sizes.len() + bytes.len() + 4), "the link goes round in circles");
        match link.receive() {
            Ok(Received::Frame(frame)) => frames.push(frame.to_vec()),
            Ok(Received::WouldBlock) => {}
            Ok(Received::Closed) => break,
            Err(_) => {
                fault = true;
                break;
            }
        }
    }
    assert_eq!((frames, fault), reference(bytes));
}

fn send(sizes: &[u8], bytes: &[u8]) {
    let output = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sizes: VecDeque<u8> = sizes.to_vec().into();
    let pieces = Pieces { sizes, input: VecDeque::new(), output: Arc::clone(&output) };
    let mut link = Framed::connecting(pieces);
    let mut expected = if bytes.is_empty() { Vec::new() } else { PREFACE.to_vec() };
    let mut ends = Vec::new();
    for frame in bytes.chunks(700) {
        let body = vec![frame[0]; if frame[0] > 250 { 20_000 } else { usize::from(frame[0]) }];
        let out = OutFrame { head: frame, body: &body };
        expected.extend_from_slice(&u32::try_from(out.size()).expect("small").to_le_bytes());
        expected.extend_from_slice(frame);
        expected.extend_from_slice(&body);
        ends.push(expected.len());
        while link.send(out).expect("pieces never fail") == Sent::WouldBlock {}
        let left = output.lock().expect("one thread").len();
        let whole = ends.iter().filter(|end| **end <= left).count() as u64;
        assert_eq!(link.accepted(), whole, "accepted frames are those that have left whole");
    }
    while link.flush().expect("pieces never fail") == Sent::WouldBlock {}
    let output = output.lock().expect("one thread");
    assert!(*output == expected[..], "the bytes are those of the frames");
    assert_eq!(link.accepted(), ends.len() as u64);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&count, rest)) = data.split_first() else { return };
    let (sizes, bytes) = rest.split_at(usize::from(count).min(rest.len()));
    receive(sizes, bytes);
    receive(sizes, &[PREFACE, bytes].concat());
    send(sizes, bytes);
});
