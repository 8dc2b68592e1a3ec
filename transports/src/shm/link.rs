//! One end of a connection over shared memory: the rings, the bell, and the signs of life.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::limits::IDLE_FRAMES;
use farcall_core::transport::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use farcall_core::{Code, Error, Fate, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};

use super::doorbell::Bell;
use crate::rendezvous::{has_ended, watch_life};
use crate::ring::{Broken, Consumer, Ends, Keys, Layout, Mapped, Popped, Pushed, Side};
use crate::sys::forked::Origin;

/// Rings for nothing that are borne with.
const VAIN: u64 = IDLE_FRAMES as u64;

/// Listening so often in vain is reason to look at the bell itself.
const SUSPICION: u32 = 16;

/// A longer frame is taken in two steps: to copy its end once more would cost more than that.
const LONG: usize = 4 * 1024;

/// The longest fragment: while it is written the peer reads nothing.
const FRAGMENT: usize = 32 * 1024;

/// What a link is made of.
pub(super) struct Parts {
    pub(super) memory: Mapped,
    pub(super) layout: Layout,
    pub(super) side: Side,
    pub(super) keys: Keys,
    pub(super) bell: Bell,
    pub(super) socket: Arc<OwnedFd>,
    /// Of the process that spoke at the rendezvous.
    pub(super) process: Option<Arc<OwnedFd>>,
    pub(super) peer: Peer,
    pub(super) trust: Trust,
}

/// See the module.
pub(crate) struct ShmLink {
    ends: Ends<Mapped>,
    bell: Bell,
    /// Open as long as the link is: its end tells the peer that this side has let go.
    socket: Arc<OwnedFd>,
    /// Readable when the peer has let go of the socket or its process has ended.
    life: Arc<OwnedFd>,
    process: Option<Arc<OwnedFd>>,
    peer: Peer,
    trust: Trust,
    /// Bytes of a fragment: the ring holds some, so that one is written while another is read.
    fragment: usize,
    origin: Origin,
    /// The frame that was handed out last: a copy that the peer cannot change.
    current: Vec<u8>,
    /// Frames were published since the peer was last told.
    is_published: bool,
    /// Bytes of the frame that found no room.
    blocked: Option<usize>,
    /// Frames went through since somebody last listened for the bell.
    has_moved: bool,
    /// Rings that the peer owes for announcements which it has seen.
    owed: u64,
    /// How often somebody listened in a row without anything going through.
    idle: u32,
    /// Rings for nothing since something went through.
    vain: u64,
    /// The peer has said that nothing more will come.
    is_over: bool,
    /// Somebody looks for news himself and arms before he goes away.
    is_awake: bool,
}

impl ShmLink {
    /// # Errors
    /// Descriptors or memory have run out.
    pub(super) fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { memory, layout, side, keys, bell, socket, process, peer, trust } = parts;
        let life = watch_life(&socket, process.as_deref()).map_err(|errno| {
            let text = format!("the peer's life cannot be watched: {errno}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(std::io::Error::from(errno))
        })?;
        Ok(ShmLink {
            ends: Ends::new(memory, layout, side, keys),
            bell,
            socket,
            life: Arc::new(life),
            process,
            peer,
            trust,
            fragment: (layout.ring_bytes() / 8).min(FRAGMENT),
            origin: Origin::here(),
            current: Vec::new(),
            is_published: false,
            blocked: None,
            has_moved: false,
            owed: 0,
            idle: 0,
            vain: 0,
            is_over: false,
            is_awake: false,
        })
    }

    /// Rings if the peer sleeps and there is something for it: frames, or much room.
    #[inline]
    fn tell(&mut self) {
        if self.ends.must_ring(std::mem::take(&mut self.is_published)) {
            self.bell.ring();
        }
    }

    /// From here on the next news ring the bell; what came before is to be looked for.
    ///
    /// The bell is cleared only here, where an announcement follows: others may sleep at it, who then are rung for again. For
    /// each announcement that it has seen the peer rings once; what rings besides is found out by and by.
    fn listen(&mut self) {
        self.idle = self.idle.wrapping_add(1);
        if std::mem::take(&mut self.has_moved) {
            // A ring may come for an announcement that was taken back in that moment, but something comes with it.
            (self.idle, self.vain) = (0, 0);
        }
        let is_suspect = self.idle > 0 && self.idle.is_multiple_of(SUSPICION);
        if self.ends.rest.is_announced() && !self.ends.rest.is_seen() && self.owed == 0 && !is_suspect {
            return;
        }
        self.take_back();
        if self.owed > 0 || is_suspect {
            let rings = self.bell.clear();
            self.vain = self.vain.saturating_add(rings.saturating_sub(self.owed));
            self.owed = self.owed.saturating_sub(rings);
        }
        self.ends.rest.announce();
    }

    /// Whoever was announced to sleep does not.
    fn take_back(&mut self) {
        self.owed += u64::from(self.ends.rest.awake());
    }

    fn has_room(&mut self) -> bool {
        // A broken rule is news too: the next turn finds it.
        self.blocked.is_some_and(|bytes| self.ends.producer.has_room(bytes).unwrap_or(true))
    }

    #[inline]
    fn pop(
        &mut self,
        pop: impl FnOnce(&mut Consumer<Mapped>, &mut Vec<u8>) -> Result<Popped, Broken>,
    ) -> Result<Popped, LinkFault> {
        if self.origin.is_elsewhere() {
            return Err(LinkFault::Forked);
        }
        let popped = pop(&mut self.ends.consumer, &mut self.current).map_err(broken)?;
        match popped {
            Popped::Frame | Popped::Begun(_) => self.has_moved = true,
            Popped::Nothing if self.vain > VAIN => {
                let text = format!("the peer rang {} times for nothing", self.vain);
                return Err(LinkFault::Broken(text));
            }
            Popped::Nothing => {
                let published = std::mem::take(&mut self.is_published);
                self.tell();
                self.is_published = published;
            }
            Popped::Closed => self.is_over = true,
        }
        Ok(popped)
    }

    #[inline]
    fn received(&self, popped: Popped) -> (Received<'_>, usize) {
        match popped {
            Popped::Frame => (Received::Frame(&self.current), 0),
            Popped::Begun(rest) => (Received::Frame(&self.current), rest),
            Popped::Nothing => (Received::WouldBlock, 0),
            Popped::Closed => (Received::Closed, 0),
        }
    }

    /// Whether the peer takes nothing more: it has said so, its process has ended, or it has let go of the socket.
    fn is_gone(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.is_over
            || poll(&mut [PollFd::new(&*self.life, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

#[cold]
fn broken(broken: Broken) -> LinkFault {
    LinkFault::Broken(broken.to_string())
}

impl Link for ShmLink {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        if self.origin.is_elsewhere() {
            return Err(LinkFault::Forked);
        }
        if self.is_over {
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        let mut pushed = self.ends.producer.push(frame.head, frame.body).map_err(broken)?;
        if pushed == Pushed::Full {
            // Once before it is told to wait, so that it is rung for when there is room.
            self.blocked = Some(frame.size());
            self.tell();
            if !self.is_awake {
                self.listen();
            }
            pushed = self.ends.producer.push(frame.head, frame.body).map_err(broken)?;
        }
        if pushed == Pushed::Full {
            return Ok(Sent::WouldBlock);
        }
        self.blocked = None;
        self.is_published = true;
        self.has_moved = true;
        Ok(Sent::Taken)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        if self.origin.is_elsewhere() {
            return Err(LinkFault::Forked);
        }
        self.tell();
        Ok(Sent::Taken)
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        let popped = self.pop(Consumer::pop)?;
        Ok(self.received(popped).0)
    }

    fn receive_first(&mut self) -> Result<(Received<'_>, usize), LinkFault> {
        let popped = self.pop(|consumer, into| consumer.pop_first(into, LONG))?;
        Ok(self.received(popped))
    }

    fn receive_rest(&mut self, into: &mut Vec<u8>) -> Result<(), LinkFault> {
        if self.origin.is_elsewhere() {
            return Err(LinkFault::Forked);
        }
        self.ends.consumer.pop_rest(into);
        Ok(())
    }

    fn is_quiet(&self) -> Option<bool> {
        // While a frame waits for room, here or there, each look is a turn.
        // A forked child has no such memory: that comes first.
        if self.origin.is_elsewhere() {
            return Some(false);
        }
        let can_go_on = self.blocked.is_some() && self.ends.producer.may_have_room();
        let consumer = &self.ends.consumer;
        Some(!consumer.is_ready() && !can_go_on && !consumer.owes_room() && self.vain <= VAIN)
    }

    fn accepted(&self) -> u64 {
        self.ends.producer.pushed()
    }

    fn taken(&mut self) -> Option<u64> {
        let is_proof = self.trust != Trust::Hostile && !self.origin.is_elsewhere() && self.is_gone();
        if is_proof { self.ends.producer.taken().ok() } else { None }
    }

    fn readiness(&self) -> Readiness {
        Readiness::Bell(Arc::clone(self.bell.fd()))
    }

    fn life(&self) -> Option<Arc<OwnedFd>> {
        Some(Arc::clone(&self.life))
    }

    fn has_exited(&self) -> bool {
        has_ended(self.process.as_deref(), self.trust)
    }

    fn arm(&mut self) -> bool {
        if self.origin.is_elsewhere() || self.ends.consumer.is_ready() || self.has_room() {
            return false;
        }
        self.is_awake = false;
        self.listen();
        !self.ends.consumer.is_ready() && !self.has_room()
    }

    fn arm_for_room(&mut self) -> bool {
        if self.blocked.is_none() {
            return true;
        }
        if self.origin.is_elsewhere() || self.has_room() {
            return false;
        }
        self.is_awake = false;
        self.listen();
        !self.has_room()
    }

    fn disarm(&mut self) {
        if !self.origin.is_elsewhere() {
            self.is_awake = true;
            self.take_back();
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.identity = true;
        capabilities.fragment = self.fragment;
        capabilities
    }

    fn peer(&self) -> Peer {
        self.peer.clone()
    }
}

impl Drop for ShmLink {
    /// The end, in order: nothing is said in the name of the process that this one was forked from.
    fn drop(&mut self) {
        if self.origin.is_elsewhere() {
            return;
        }
        self.ends.producer.close();
        if self.ends.rest.must_ring(|| false) {
            self.bell.ring();
        }
        // Others may still hold the descriptor, to wait on it.
        let _ = shutdown(&*self.socket, Shutdown::Both);
    }
}
