//! A link of two byte streams in memory, slow, stalled or cut as its script says.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transport::{ByteStream, Event, Peer, Readiness};

/// How much of one direction moves.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that one write takes and one read gives.
    pub chunk: usize,
    /// Bytes that may still be written; none is a stall.
    pub write_room: usize,
    /// Bytes that may still be read.
    pub read_room: usize,
    /// Bytes that wait between writer and reader.
    pub capacity: usize,
}

impl Limits {
    /// Everything moves at once.
    pub const NONE: Limits =
        Limits { chunk: usize::MAX, write_room: usize::MAX, read_room: usize::MAX, capacity: usize::MAX };
}

/// What a cut does to bytes that were accepted and not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// They still arrive, then comes the end.
    Clean,
    /// They are lost, and reading fails.
    Reset,
}

#[derive(Debug)]
struct Way {
    waiting: VecDeque<u8>,
    limits: Limits,
    /// Every byte ever accepted, if that is recorded.
    tape: Vec<u8>,
    /// The link is cut when so many bytes have been accepted.
    cut_at: Option<(usize, Cut)>,
}

#[derive(Debug)]
struct State {
    ways: [Way; 2],
    cut: Option<Cut>,
    /// Grows whenever bytes move.
    moved: u64,
}

/// Both directions: way 0 leads from side 0 to side 1, way 1 back.
#[derive(Clone, Debug)]
pub struct Wires(Arc<Mutex<State>>);

impl Default for Wires {
    fn default() -> Self {
        Wires::new()
    }
}

impl Wires {
    /// A link on which everything moves at once.
    pub fn new() -> Self {
        let way = || Way { waiting: VecDeque::new(), limits: Limits::NONE, tape: Vec::new(), cut_at: None };
        Wires(Arc::new(Mutex::new(State { ways: [way(), way()], cut: None, moved: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One side's stream; dropping it cuts the link.
    pub fn stream(&self, side: usize) -> ScriptedStream {
        ScriptedStream { wires: self.clone(), side, event: Arc::new(Event::new()) }
    }

    /// Sets how much of a direction moves from now on.
    pub fn limit(&self, way: usize, limits: Limits) {
        self.lock().ways[way].limits = limits;
    }

    /// Cuts the link now, or once so many bytes of this direction have been accepted.
    pub fn cut_at(&self, way: usize, bytes: usize, cut: Cut) {
        self.lock().ways[way].cut_at = Some((bytes, cut));
    }

    /// Cuts the link now.
    pub fn cut(&self, cut: Cut) {
        self.lock().cut(cut);
    }

    /// Every byte that this direction has accepted.
    pub fn tape(&self, way: usize) -> Vec<u8> {
        self.lock().ways[way].tape.clone()
    }

    /// A number that grows whenever bytes move.
    pub fn moved(&self) -> u64 {
        self.lock().moved
    }

    /// Puts bytes on their way as if the other side had sent them.
    pub fn feed(&self, way: usize, bytes: &[u8]) {
        self.lock().ways[way].waiting.extend(bytes);
    }
}

impl State {
    fn cut(&mut self, cut: Cut) {
        if self.cut.is_none() {
            self.cut = Some(cut);
            self.moved += 1;
            if cut == Cut::Reset {
                self.ways.iter_mut().for_each(|way| way.waiting.clear());
            }
        }
    }

    fn write(&mut self, side: usize, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.cut.is_some() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let way = &mut self.ways[side];
        let until_cut = way.cut_at.map_or(usize::MAX, |(at, _)| at.saturating_sub(way.tape.len()));
        let room = way.limits.capacity.saturating_sub(way.waiting.len());
        let mut left = way.limits.chunk.min(way.limits.write_room).min(room).min(until_cut);
        let before = left;
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            way.waiting.extend(part);
            way.tape.extend_from_slice(part);
            left -= part.len();
        }
        let written = before - left;
        way.limits.write_room -= written;
        self.moved += written as u64;
        if let Some((at, cut)) = self.ways[side].cut_at
            && self.ways[side].tape.len() >= at
        {
            self.cut(cut);
        }
        if written > 0 {
            Ok(written)
        } else if self.cut.is_some() {
            Err(ErrorKind::BrokenPipe.into())
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    fn read(&mut self, side: usize, buf: &mut [u8]) -> io::Result<usize> {
        let way = &mut self.ways[1 - side];
        if way.waiting.is_empty() {
            return match self.cut {
                Some(Cut::Clean) => Ok(0),
                Some(Cut::Reset) => Err(ErrorKind::ConnectionReset.into()),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        // After a cut nothing slows the rest down: it is already at its reader's door.
        let allowed = if self.cut.is_some() { usize::MAX } else { way.limits.read_room };
        let count = buf.len().min(way.limits.chunk).min(allowed).min(way.waiting.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (to, from) in buf.iter_mut().zip(way.waiting.drain(..count)) {
            *to = from;
        }
        way.limits.read_room = way.limits.read_room.saturating_sub(count);
        self.moved += count as u64;
        Ok(count)
    }
}

/// One side of [`Wires`].
#[derive(Debug)]
pub struct ScriptedStream {
    wires: Wires,
    side: usize,
    event: Arc<Event>,
}

impl ByteStream for ScriptedStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wires.lock().read(self.side, buf)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wires.lock().write(self.side, bufs)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::clone(&self.event))
    }

    fn peer(&self) -> Peer {
        Peer::on("scripted")
    }
}

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        self.wires.lock().cut(Cut::Clean);
    }
}
