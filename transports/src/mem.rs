//! `mem:NAME`, inside this process: for tests, and the template for new wires.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use farcall_core::transport::{
    Capabilities, Event, Link, LinkFault, Listener, OutFrame, Peer, Readiness, Received, Sent,
};
use farcall_core::{Code, Error, Fate};

use crate::query::Query;
use crate::scheme::Scheme;
use crate::url::Url;

/// Bytes of frames that one direction holds; one frame is always taken.
const LANE: usize = 1024 * 1024;

/// Frames that one direction holds.
const LANE_FRAMES: usize = 4096;

/// Buffers that one direction keeps for reuse; a buffer holds one frame.
const SPARES: usize = 8;

/// Links that may wait to be accepted.
const BACKLOG: usize = 1024;

/// The meeting points of this process, by name.
static PLACES: Mutex<Option<HashMap<String, Weak<Place>>>> = Mutex::new(None);

pub(crate) struct Mem;

impl Scheme for Mem {
    fn name(&self) -> &'static str {
        "mem"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let name = url.name()?;
        query.finish()?;
        let place = with_places(|places| places.get(name).and_then(Weak::upgrade));
        let Some(place) = place else {
            let message = format!("{url}: nothing in this process serves it; serve it first");
            return Err(Error::new(Code::Unavailable, Fate::NotSent, message));
        };
        let (here, there) = MemLink::pair(name);
        let is_full = {
            let mut waiting = lock(&place.waiting);
            let is_full = waiting.len() >= BACKLOG;
            if !is_full {
                waiting.push_back(there);
            }
            is_full
        };
        if is_full {
            let message = format!("{url}: {BACKLOG} connections wait to be accepted; try again later");
            return Err(Error::new(Code::Overloaded, Fate::NotSent, message));
        }
        place.arrived.notify();
        Ok(Box::new(here))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let name = url.name()?;
        query.finish()?;
        let place = Arc::new(Place { waiting: Mutex::default(), arrived: Arc::default() });
        with_places(|places| {
            if places.get(name).is_some_and(|known| known.strong_count() > 0) {
                return Err(url.refuse("it is already served in this process; choose another name"));
            }
            places.insert(name.to_owned(), Arc::downgrade(&place));
            Ok(())
        })?;
        Ok(Box::new(MemListener { name: name.to_owned(), place }))
    }
}

fn with_places<R>(act: impl FnOnce(&mut HashMap<String, Weak<Place>>) -> R) -> R {
    act(lock(&PLACES).get_or_insert_default())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the links of one name wait to be accepted.
struct Place {
    waiting: Mutex<VecDeque<MemLink>>,
    arrived: Arc<Event>,
}

struct MemListener {
    name: String,
    place: Arc<Place>,
}

impl Listener for MemListener {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        let link = lock(&self.place.waiting).pop_front();
        link.map(|link| Box::new(link) as Box<dyn Link>).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(self.place.arrived.clone())
    }

    fn local_url(&self) -> String {
        format!("mem:{}", self.name)
    }
}

impl Drop for MemListener {
    fn drop(&mut self) {
        with_places(|places| {
            if places.get(&self.name).is_some_and(|known| Weak::as_ptr(known) == Arc::as_ptr(&self.place)) {
                places.remove(&self.name);
            }
        });
    }
}

/// One end of a pair of lanes.
struct MemLink {
    name: String,
    out: Arc<Lane>,
    into: Arc<Lane>,
    event: Arc<Event>,
    /// The frame that was handed out last; its buffer goes back with the next one.
    current: Vec<u8>,
    accepted: u64,
    /// The last frame offered found no room.
    is_blocked: bool,
}

impl MemLink {
    fn pair(name: &str) -> (MemLink, MemLink) {
        let events = (Arc::new(Event::new()), Arc::new(Event::new()));
        let forth = Arc::new(Lane::between(events.0.clone(), events.1.clone()));
        let back = Arc::new(Lane::between(events.1.clone(), events.0.clone()));
        let end = |out: &Arc<Lane>, into: &Arc<Lane>, event| MemLink {
            name: name.to_owned(),
            out: out.clone(),
            into: into.clone(),
            event,
            current: Vec::new(),
            accepted: 0,
            is_blocked: false,
        };
        (end(&forth, &back, events.0), end(&back, &forth, events.1))
    }
}

impl Link for MemLink {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        let sent = self.out.push(frame)?;
        self.is_blocked = sent == Sent::WouldBlock;
        self.accepted += u64::from(sent == Sent::Taken);
        Ok(sent)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        Ok(Sent::Taken)
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        Ok(match self.into.pop(&mut self.current) {
            Popped::Frame => Received::Frame(&self.current),
            Popped::Nothing => Received::WouldBlock,
            Popped::Closed => Received::Closed,
        })
    }

    fn accepted(&self) -> u64 {
        self.accepted
    }

    fn readiness(&self) -> Readiness {
        Readiness::Event(self.event.clone())
    }

    fn arm(&mut self) -> bool {
        let has_room = self.is_blocked && !lock(&self.out.state).wants_room;
        self.is_blocked &= !has_room;
        !has_room && self.into.arm()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.identity = true;
        capabilities
    }

    fn peer(&self) -> Peer {
        let mut peer = Peer::on("mem");
        peer.address = Some(self.name.clone());
        peer.uid = Some(rustix::process::geteuid().as_raw());
        peer.gid = Some(rustix::process::getegid().as_raw());
        peer.pid = Some(std::process::id());
        peer
    }
}

impl Drop for MemLink {
    fn drop(&mut self) {
        self.out.close();
        self.into.close();
    }
}

/// Frames on their way in one direction.
struct Lane {
    state: Mutex<LaneState>,
    writer: Arc<Event>,
    reader: Arc<Event>,
}

#[derive(Default)]
struct LaneState {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    spares: Vec<Vec<u8>>,
    is_closed: bool,
    /// The reader sleeps, or is about to.
    is_armed: bool,
    /// The writer was told to wait.
    wants_room: bool,
}

enum Popped {
    Frame,
    Nothing,
    Closed,
}

impl Lane {
    fn between(writer: Arc<Event>, reader: Arc<Event>) -> Self {
        Lane { state: Mutex::default(), writer, reader }
    }

    fn push(&self, frame: OutFrame<'_>) -> io::Result<Sent> {
        let must_wake = {
            let mut state = lock(&self.state);
            if state.is_closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let is_full = state.bytes + frame.size() > LANE || state.frames.len() >= LANE_FRAMES;
            if is_full && !state.frames.is_empty() {
                state.wants_room = true;
                return Ok(Sent::WouldBlock);
            }
            let mut buf = state.spares.pop().unwrap_or_default();
            buf.extend_from_slice(frame.head);
            buf.extend_from_slice(frame.body);
            state.bytes += buf.len();
            state.frames.push_back(buf);
            std::mem::take(&mut state.is_armed)
        };
        if must_wake {
            self.reader.notify();
        }
        Ok(Sent::Taken)
    }

    /// Moves the next frame to `current`, whose old buffer is kept for reuse.
    fn pop(&self, current: &mut Vec<u8>) -> Popped {
        let must_wake = {
            let mut state = lock(&self.state);
            let Some(frame) = state.frames.pop_front() else {
                return if state.is_closed { Popped::Closed } else { Popped::Nothing };
            };
            state.bytes -= frame.len();
            let mut used = std::mem::replace(current, frame);
            if used.capacity() > 0 && state.spares.len() < SPARES {
                used.clear();
                state.spares.push(used);
            }
            let has_room = state.bytes <= LANE / 2 && state.frames.len() <= LANE_FRAMES / 2;
            has_room && std::mem::take(&mut state.wants_room)
        };
        if must_wake {
            self.writer.notify();
        }
        Popped::Frame
    }

    fn arm(&self) -> bool {
        let mut state = lock(&self.state);
        let is_quiet = state.frames.is_empty() && !state.is_closed;
        state.is_armed |= is_quiet;
        is_quiet
    }

    /// Both ends learn of it: one has no reader any more, the other no writer.
    fn close(&self) {
        {
            let mut state = lock(&self.state);
            state.is_closed = true;
            state.wants_room = false;
        }
        self.writer.notify();
        self.reader.notify();
    }
}
