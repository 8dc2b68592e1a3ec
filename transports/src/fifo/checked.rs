//! Bytes through a FIFO in chunks that the kernel writes whole, each of which proves that it is the next of the peer's.
//!
//! A FIFO can be opened by anybody whom its directory lets in. A second writer's bytes are no chunk of ours; a second reader
//! leaves a gap. Either is noticed at the next chunk, since the sum of each covers the cookie, the direction and its number.

use std::io::{self, IoSlice};

use farcall_core::transport::{ByteStream, Peer, Readiness};
use rustix::io::Errno;

use super::crc::Crc;
use crate::duct::Duct;

/// Bytes that a pipe takes whole or not at all (`PIPE_BUF`).
const CHUNK: usize = 4096;

/// Bytes of a chunk before its content: length, zero, sum.
pub(super) const HEAD: usize = 8;

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// The side that writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Connecting,
    Listening,
}

/// One direction's chunks.
#[derive(Debug)]
struct Sums {
    begun: Crc,
    /// Chunks so far.
    number: u64,
}

impl Sums {
    fn of(cookie: &[u8; 16], side: Side) -> Self {
        let side = if side == Side::Connecting { b"c" } else { b"l" };
        Sums { begun: Crc::new().add(cookie).add(side), number: 0 }
    }

    fn of_next(&self, content: &[u8]) -> u32 {
        self.begun.add(&self.number.to_le_bytes()).add(content).sum()
    }
}

/// A pair of FIFOs as a stream.
#[derive(Debug)]
pub(super) struct Checked {
    source: Duct,
    sink: Duct,
    peer: Peer,
    incoming: Sums,
    outgoing: Sums,
    /// What was read and not yet given out: from `start` to `end`.
    raw: Box<[u8]>,
    start: usize,
    end: usize,
    /// The content of the chunk at `start` that has been given out already.
    given: usize,
    chunk: Vec<u8>,
}

impl Checked {
    /// The end of `side`, which reads from the one and writes to the other.
    pub(super) fn new(source: Duct, sink: Duct, peer: Peer, cookie: &[u8; 16], side: Side) -> Self {
        let other = if side == Side::Connecting { Side::Listening } else { Side::Connecting };
        Checked {
            source,
            sink,
            peer,
            incoming: Sums::of(cookie, other),
            outgoing: Sums::of(cookie, side),
            raw: vec![0; READ].into(),
            start: 0,
            end: 0,
            given: 0,
            chunk: Vec::with_capacity(CHUNK),
        }
    }

    /// Gives out what is there of the chunk at `start`; 0: it is not there whole.
    fn give(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let there = &self.raw[self.start..self.end];
        let Some((head, rest)) = there.split_first_chunk::<HEAD>() else {
            return Ok(0);
        };
        let [low, high, zero, nought, sum @ ..] = *head;
        let length = usize::from(u16::from_le_bytes([low, high]));
        if length == 0 || length > CHUNK - HEAD || [zero, nought] != [0, 0] {
            return Err(torn());
        }
        let Some(content) = rest.get(..length) else {
            return Ok(0);
        };
        if self.given == 0 {
            if self.incoming.of_next(content) != u32::from_le_bytes(sum) {
                return Err(torn());
            }
            self.incoming.number += 1;
        }
        let left = &content[self.given..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.given += count;
        if self.given == length {
            self.start += HEAD + length;
            self.given = 0;
        }
        Ok(count)
    }

    /// Reads more behind what is there.
    fn fill(&mut self) -> io::Result<Filled> {
        self.raw.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = &mut self.raw[self.end..];
        let asked = room.len();
        let read = self.source.read(room)?;
        self.end += read;
        Ok(match read {
            0 => Filled::End,
            read if read < asked => Filled::All,
            _ => Filled::Some,
        })
    }

    /// Writes one chunk of this content, if there is room for all of it.
    fn put(&mut self, length: usize) -> rustix::io::Result<()> {
        let sum = self.outgoing.of_next(&self.chunk[HEAD..]);
        let length = u16::try_from(length).expect("a chunk has less than 4096 bytes");
        self.chunk[..2].copy_from_slice(&length.to_le_bytes());
        self.chunk[4..HEAD].copy_from_slice(&sum.to_le_bytes());
        let written = self.sink.write(&[IoSlice::new(&self.chunk)])?;
        self.outgoing.number += 1;
        // The kernel has promised that this does not happen; the peer would notice.
        if written == self.chunk.len() { Ok(()) } else { Err(Errno::IO) }
    }
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Filled {
    /// As much as there was room for.
    Some,
    /// All that there was: asking again would be a system call for nothing.
    All,
    /// Nothing will come any more.
    End,
}

#[cold]
fn torn() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what came through the FIFO is not the next of what the peer wrote; somebody else reads or writes it",
    )
}

impl ByteStream for Checked {
    /// Short only if nothing more is there: who gets less than he asked for does not ask again.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (mut count, mut is_dry) = (0, false);
        while count < buf.len() {
            match self.give(&mut buf[count..])? {
                0 => {}
                given => {
                    count += given;
                    continue;
                }
            }
            if is_dry && count > 0 {
                break;
            }
            match self.fill() {
                // The end comes again at the next read.
                Ok(Filled::End) => break,
                Ok(filled) => is_dry = filled == Filled::All,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && count > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        let mut bytes = bufs.iter().map(|buf| &**buf).filter(|buf| !buf.is_empty());
        let mut rest: &[u8] = bytes.next().unwrap_or_default();
        while !rest.is_empty() {
            self.chunk.clear();
            self.chunk.resize(HEAD, 0);
            while !rest.is_empty() && self.chunk.len() < CHUNK {
                let (piece, later) = rest.split_at(rest.len().min(CHUNK - self.chunk.len()));
                self.chunk.extend_from_slice(piece);
                rest = if later.is_empty() { bytes.next().unwrap_or_default() } else { later };
            }
            let length = self.chunk.len() - HEAD;
            match self.put(length) {
                Ok(()) => written += length,
                // The chunks before count: the peer may have acted on them. An error that lasts comes again.
                Err(_) if written > 0 => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(written)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.source.fd().clone(), write: self.sink.fd().clone() }
    }

    fn peer(&self) -> Peer {
        self.peer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;

    /// Two ends, and a second writer to what the second reads.
    fn ends() -> (Checked, Checked, std::fs::File, std::fs::File) {
        let pipe = || {
            let (read, write) = std::io::pipe().unwrap();
            (OwnedFd::from(read), OwnedFd::from(write))
        };
        let ((there, from_here), (here, from_there)) = (pipe(), pipe());
        let (writer, reader) = (from_here.try_clone().unwrap(), there.try_clone().unwrap());
        let end = |source, sink, side| {
            let (source, sink) = (Duct::private(source).unwrap(), Duct::private(sink).unwrap());
            Checked::new(source, sink, Peer::on("fifo"), b"0123456789abcdef", side)
        };
        let one = end(here, from_here, Side::Connecting);
        (one, end(there, from_there, Side::Listening), writer.into(), reader.into())
    }

    fn read(end: &mut Checked) -> io::Result<Vec<u8>> {
        let mut buf = vec![0; 1 << 20];
        let count = end.read(&mut buf)?;
        buf.truncate(count);
        Ok(buf)
    }

    #[test]
    fn what_is_written_is_read_in_whatever_pieces() {
        let (mut one, mut two, ..) = ends();
        let bytes: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
        let slices = [IoSlice::new(&bytes[..1]), IoSlice::new(&[]), IoSlice::new(&bytes[1..])];
        assert_eq!(one.write(&slices).unwrap(), bytes.len());
        let mut have = Vec::new();
        let mut small = [0; 777];
        while have.len() < bytes.len() {
            let count = two.read(&mut small).unwrap();
            have.extend_from_slice(&small[..count]);
        }
        assert!(have == bytes);
        assert_eq!(two.read(&mut small).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(one);
    }

    #[test]
    fn a_full_pipe_takes_chunks_whole_or_not_at_all() {
        let (mut one, mut two, ..) = ends();
        let bytes = vec![7; 3 << 20];
        let mut written = 0;
        loop {
            match one.write(&[IoSlice::new(&bytes)]) {
                Ok(count) => written += count,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        let mut have = 0;
        while have < written {
            have += read(&mut two).unwrap().len();
        }
        assert_eq!(have, written);
    }

    #[test]
    fn what_was_written_before_the_reader_left_counts() {
        for _ in 0..20 {
            let (mut one, mut two, _, reader) = ends();
            drop(reader);
            let leaves = std::thread::spawn(move || {
                let mut have = 0;
                while have < 100_000 {
                    match two.read(&mut [0; 10_000]) {
                        Ok(read) => have += read,
                        Err(_) => std::thread::yield_now(),
                    }
                }
                have
            });
            let (bytes, mut written) = (vec![7; 8 << 20], 0);
            loop {
                match one.write(&[IoSlice::new(&bytes)]) {
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                    Err(_) => break,
                }
            }
            let read = leaves.join().unwrap();
            assert!(read <= written, "{read} bytes were read of {written} that are said to be written");
        }
    }

    #[test]
    fn a_second_writer_is_noticed() {
        for junk in [&b"hello, I am somebody else"[..], &[0; 100], &[1, 0, 0, 0, 9, 9, 9, 9, 9]] {
            let (mut one, mut two, mut writer, _) = ends();
            one.write(&[IoSlice::new(b"first")]).unwrap();
            assert_eq!(read(&mut two).unwrap(), b"first");
            writer.write_all(junk).unwrap();
            one.write(&[IoSlice::new(b"second")]).unwrap();
            assert!(read(&mut two).unwrap_err().to_string().contains("somebody else"));
        }
    }

    #[test]
    fn a_second_reader_is_noticed() {
        let (mut one, mut two, _, mut reader) = ends();
        one.write(&[IoSlice::new(b"first")]).unwrap();
        let mut stolen = [0; HEAD + 5];
        io::Read::read_exact(&mut reader, &mut stolen).unwrap();
        one.write(&[IoSlice::new(b"second")]).unwrap();
        assert!(read(&mut two).unwrap_err().to_string().contains("somebody else"));
    }
}
