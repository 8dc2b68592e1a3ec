//! The framing adapter that all byte streams share: a preface, then length-prefixed frames.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use super::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use crate::buffers;

mod inbox;

use inbox::{Filled, Inbox};

/// What each side of a stream sends first: no text and no other protocol begins so. The last byte is the version.
pub(crate) const PREFACE: [u8; 8] = *b"\xFARCALL\n\x01";

/// Bytes of the length before each frame, little endian.
const PREFIX: usize = 4;

/// Bytes that are gathered before they are written; above it a frame waits.
const GATHER: usize = 128 * 1024;

/// From this payload on, a frame is written from where it stands instead of being gathered.
const DIRECT: usize = 16 * 1024;

/// Bytes of a stranger's greeting that are kept for the error.
const SEEN: usize = 64;

/// A connected stream of bytes, as little of it as [`Framed`] needs.
///
/// **Implementers**: nothing may block or raise a signal; "would block" is `ErrorKind::WouldBlock`.
///
/// ```
/// use farcall::transport::{ByteStream, Framed, Link, OutFrame, Peer, Readiness, Received};
/// use std::io::{self, IoSlice, Read, Write};
/// use std::os::{fd::OwnedFd, unix::net::UnixStream};
/// use std::sync::Arc;
///
/// struct Socket(UnixStream, Arc<OwnedFd>);
///
/// impl Socket {
///     fn new(stream: UnixStream) -> io::Result<Self> {
///         stream.set_nonblocking(true)?;
///         let fd = Arc::new(stream.try_clone()?.into());
///         Ok(Socket(stream, fd))
///     }
/// }
///
/// impl ByteStream for Socket {
///     fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
///         self.0.read(buf)
///     }
///     fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
///         self.0.write_vectored(bufs)
///     }
///     fn readiness(&self) -> Readiness {
///         Readiness::Fd { read: Arc::clone(&self.1), write: Arc::clone(&self.1) }
///     }
///     fn peer(&self) -> Peer {
///         Peer::on("socket")
///     }
/// }
///
/// let (here, there) = UnixStream::pair()?;
/// let (mut here, mut there) = (Framed::connecting(Socket::new(here)?), Framed::accepted(Socket::new(there)?));
/// here.send(OutFrame { head: b"for ", body: b"you" }).and_then(|_| here.flush()).expect("there is room");
/// assert_eq!(there.receive().expect("the link is whole"), Received::Frame(b"for you"));
/// # Ok::<(), io::Error>(())
/// ```
pub trait ByteStream: Send {
    /// Reads what is there; `Ok(0)` means that nothing will come any more.
    ///
    /// # Errors
    /// `WouldBlock`, `InvalidData` if the peer broke a rule of this wire, or what the system says.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock`, or what the system says.
    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;

    /// What to wait on.
    fn readiness(&self) -> Readiness;

    /// See [`Link::life`].
    #[cfg(unix)]
    fn life(&self) -> Option<std::sync::Arc<std::os::fd::OwnedFd>> {
        None
    }

    /// See [`Link::exit`].
    fn exit(&mut self) -> Option<String> {
        None
    }

    /// What this stream can do.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Who is at the other end.
    fn peer(&self) -> Peer;
}

/// A [`Link`] over a [`ByteStream`].
///
/// Frames are gathered and leave with [`flush`](Link::flush), or earlier once 128 KiB wait; a payload of 16 KiB and more is
/// written from where it stands. [`ByteStream`] has an example.
#[derive(Debug)]
pub struct Framed<S> {
    stream: S,
    inbox: Inbox,
    outbox: Outbox,
    greets: bool,
}

impl<S: ByteStream> Framed<S> {
    /// The side that connected: it sends the preface with its first frame and expects the peer's.
    pub fn connecting(stream: S) -> Self {
        Framed { stream, inbox: Inbox::default(), outbox: Outbox::new(), greets: false }
    }

    /// The side that was connected to: a stranger gets an answer that helps.
    pub fn accepted(stream: S) -> Self {
        Framed { greets: true, ..Framed::connecting(stream) }
    }

    /// Tells an HTTP client, as HTTP, where it has landed. One attempt, whatever becomes of it.
    fn answer_stranger(&mut self, seen: &[u8]) {
        const ANSWER: &[u8] =
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
            This port speaks Farcall, not HTTP. Connect with farcall::connect(\"...\").\n";
        const METHODS: [&[u8]; 7] =
            [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PRI * HTTP/2"];
        if self.greets && METHODS.iter().any(|method| seen.starts_with(method)) {
            let _ = self.stream.write(&[IoSlice::new(ANSWER)]);
        }
    }
}

impl<S: ByteStream> Link for Framed<S> {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.outbox.greet();
        if self.outbox.waiting() + frame.size() > GATHER
            && self.outbox.write(&mut self.stream, None)? == Sent::WouldBlock
        {
            return Ok(Sent::WouldBlock);
        }
        if frame.body.len() < DIRECT {
            self.outbox.gather(frame);
        } else {
            self.outbox.write(&mut self.stream, Some(frame))?;
        }
        Ok(Sent::Taken)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        // Turns end here, and what a short read has told is old by the next one.
        self.inbox.ask_again();
        self.outbox.write(&mut self.stream, None)
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        loop {
            match self.inbox.next_frame() {
                Ok(Some(range)) => return Ok(Received::Frame(self.inbox.bytes(range))),
                Ok(None) => {}
                Err(fault) => {
                    if let LinkFault::NotFarcall { seen } = &fault {
                        self.answer_stranger(seen);
                    }
                    return Err(fault);
                }
            }
            match self.inbox.fill(&mut self.stream)? {
                Filled::Some => {}
                Filled::WouldBlock => return Ok(Received::WouldBlock),
                Filled::End => return Ok(Received::Closed),
            }
        }
    }

    fn accepted(&self) -> u64 {
        self.outbox.accepted
    }

    fn is_mid_frame(&self) -> bool {
        self.inbox.unread() > 0
    }

    fn readiness(&self) -> Readiness {
        self.stream.readiness()
    }

    #[cfg(unix)]
    fn life(&self) -> Option<std::sync::Arc<std::os::fd::OwnedFd>> {
        self.stream.life()
    }

    fn exit(&mut self) -> Option<String> {
        self.stream.exit()
    }

    fn capabilities(&self) -> Capabilities {
        self.stream.capabilities()
    }

    fn peer(&self) -> Peer {
        self.stream.peer()
    }
}

/// Bytes gathered for one write, and how many frames have left whole.
#[derive(Debug)]
struct Outbox {
    buf: Vec<u8>,
    start: usize,
    /// Bytes written since the beginning of the stream.
    written: u64,
    /// Where in the stream each frame that has not left whole ends.
    ends: VecDeque<u64>,
    accepted: u64,
}

impl Outbox {
    fn new() -> Self {
        Outbox { buf: Vec::new(), start: 0, written: 0, ends: VecDeque::new(), accepted: 0 }
    }

    fn waiting(&self) -> usize {
        self.buf.len() - self.start
    }

    fn gather(&mut self, frame: OutFrame<'_>) {
        self.make_room();
        self.buf.extend_from_slice(&prefix(frame));
        self.buf.extend_from_slice(frame.head);
        self.buf.extend_from_slice(frame.body);
        self.ends.push_back(self.written + self.waiting() as u64);
    }

    /// The preface goes before the first frame.
    fn greet(&mut self) {
        if self.written == 0 && self.waiting() == 0 {
            self.make_room();
            self.buf.extend_from_slice(&PREFACE);
        }
    }

    /// Forgets what has left, so that a peer that takes its bytes in drops does not make the buffer grow.
    fn make_room(&mut self) {
        if self.buf.capacity() == 0 {
            self.buf = buffers::take(0);
        } else if self.start >= GATHER {
            self.buf.drain(..self.start);
            self.start = 0;
        }
    }

    /// Writes what was gathered and then `frame`; what the stream does not take of `frame` is gathered.
    fn write(
        &mut self,
        stream: &mut impl ByteStream,
        frame: Option<OutFrame<'_>>,
    ) -> Result<Sent, LinkFault> {
        let Some(frame) = frame else {
            return self.write_gathered(stream);
        };
        let prefix = prefix(frame);
        let waiting = self.waiting();
        let parts = [
            IoSlice::new(&self.buf[self.start..]),
            IoSlice::new(&prefix),
            IoSlice::new(frame.head),
            IoSlice::new(frame.body),
        ];
        let written = retry(|| stream.write(&parts))?.unwrap_or(0);
        self.ends.push_back(self.written + (waiting + PREFIX + frame.size()) as u64);
        self.advance(written.min(waiting));
        self.make_room();
        let mut skip = written.saturating_sub(waiting);
        for part in [&prefix[..], frame.head, frame.body] {
            let rest = &part[skip.min(part.len())..];
            skip = skip.saturating_sub(part.len());
            self.buf.extend_from_slice(rest);
        }
        self.count(written.saturating_sub(waiting));
        Ok(if self.waiting() == 0 { Sent::Taken } else { Sent::WouldBlock })
    }

    fn write_gathered(&mut self, stream: &mut impl ByteStream) -> Result<Sent, LinkFault> {
        while self.waiting() > 0 {
            match retry(|| stream.write(&[IoSlice::new(&self.buf[self.start..])]))? {
                Some(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Some(written) => self.advance(written),
                None => return Ok(Sent::WouldBlock),
            }
        }
        Ok(Sent::Taken)
    }

    /// These bytes of the gathered ones have left.
    fn advance(&mut self, written: usize) {
        self.start += written;
        if self.start == self.buf.len() {
            buffers::give(std::mem::take(&mut self.buf));
            self.start = 0;
        }
        self.count(written);
    }

    fn count(&mut self, written: usize) {
        self.written += written as u64;
        while self.ends.front().is_some_and(|end| *end <= self.written) {
            self.ends.pop_front();
            self.accepted += 1;
        }
    }
}

fn prefix(frame: OutFrame<'_>) -> [u8; PREFIX] {
    u32::try_from(frame.size()).expect("a frame is at most MAX_FRAME bytes").to_le_bytes()
}

/// "Would block" as `None`; an interrupted system call is made again.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> Result<Option<usize>, LinkFault> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(LinkFault::Broken(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
