//! The serving side: to its driver it plays a client, whose calls are those of everybody who puts letters.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::limits::MAX_WINDOW;
use farcall_core::transport::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use farcall_core::wire::mailbox::Id;
use farcall_core::wire::{Head, Hello, Kind, Options, Role, VERSION, parse};
use farcall_core::{Error, Time};
use rustix::event::epoll::EventFlags;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::bell::Bell;
use super::drawer::Drawer;
use super::laggards::Outbox;
use super::ledger::Line;
use super::post::Sender;
use super::{exhausted, random_id};
use crate::queue::Queue;
use crate::sys::forked::Origin;
use crate::url::Url;
use crate::wait::now;

mod answers;
mod letters;

use letters::Looks;

/// See the module.
pub(super) struct TakerLink {
    url: Url,
    queue: Queue,
    drawer: Drawer,
    id: Id,
    process: Arc<OwnedFd>,
    bell: Bell,
    origin: Origin,
    out: Outbox,
    /// Callers that have this process's pidfd.
    told: HashSet<Id>,
    codec: String,
    /// Calls that are taken at once.
    most: usize,
    max_message: usize,
    /// Numbers of services that were opened, one for each method.
    opened: HashMap<(String, String, u64), u32>,
    /// The one that was asked for last.
    latest: Option<((String, String, u64), u32)>,
    calls: HashMap<u64, Taken>,
    last_call: u64,
    /// A verdict that comes in fragments.
    gathering: Option<(Head, Vec<u8>)>,
    has_begun: bool,
    /// No more letters are taken.
    is_draining: bool,
    looks: Looks,
    inbox: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    accepted: u64,
    buf: Vec<u8>,
}

/// A call that this server has taken.
struct Taken {
    reply_to: Id,
    call: u64,
    until: Time,
    /// Where it is noted.
    line: Option<Line>,
}

impl TakerLink {
    pub(super) fn new(
        url: &Url,
        queue: Queue,
        drawer: Drawer,
        most: usize,
        codec: String,
    ) -> Result<Self, Error> {
        let id = random_id().map_err(|error| error.context(url))?;
        let sender = Sender::open().map_err(|error| exhausted(url, error))?;
        let bell = Bell::new(queue.fd()).map_err(|error| exhausted(url, error))?;
        let process = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|errno| exhausted(url, errno))?;
        let shape = queue.attributes().map_err(|errno| exhausted(url, errno))?;
        let buf = vec![0; shape.message];
        Ok(TakerLink {
            url: url.clone(),
            queue,
            drawer,
            id,
            process: Arc::new(process),
            bell,
            origin: Origin::here(),
            out: Outbox::new(sender),
            told: HashSet::new(),
            codec,
            most,
            max_message: 0,
            opened: HashMap::new(),
            latest: None,
            calls: HashMap::new(),
            last_call: 0,
            gathering: None,
            has_begun: false,
            is_draining: false,
            looks: Looks::default(),
            inbox: VecDeque::new(),
            current: Vec::new(),
            accepted: 0,
            buf,
        })
    }

    fn begin(&mut self) {
        self.has_begun = true;
        let hello = Hello {
            versions: (VERSION, VERSION),
            role: Some(Role::Connecting),
            attended_always: true,
            max_message: farcall_core::limits::MAX_MAX_MESSAGE as u64,
            window: MAX_WINDOW,
            codec: self.codec.clone(),
        };
        self.tell(Head::new(Kind::Hello, 0), Options::default(), &hello.encode());
    }

    /// A frame for the driver.
    fn tell(&mut self, head: Head, options: Options, payload: &[u8]) {
        self.inbox.push_back([head.encode(options).as_slice(), payload].concat());
    }

    /// Whether another call may be taken.
    fn is_free(&self) -> bool {
        self.max_message > 0 && !self.is_draining && self.calls.len() < self.most
    }

    fn check(&self) -> Result<(), LinkFault> {
        if self.origin.is_elsewhere() { Err(LinkFault::Forked) } else { Ok(()) }
    }
}

impl Link for TakerLink {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.check()?;
        let head = parse(frame.head).map_err(|error| LinkFault::Broken(error.to_string()))?.head;
        match head.kind {
            Kind::Hello => {
                let hello =
                    Hello::decode(frame.body).map_err(|error| LinkFault::Broken(error.to_string()))?;
                self.max_message = usize::try_from(hello.max_message).unwrap_or(usize::MAX).max(1);
                self.most = self.most.min(hello.window as usize);
            }
            Kind::Reply | Kind::Error | Kind::Cancelled => self.hear_verdict(head, frame.body),
            Kind::Drain => self.is_draining = true,
            Kind::Close => self.let_go(),
            Kind::Ping => self.tell(Head::new(Kind::Pong, head.call), Options::default(), &[]),
            _ => {}
        }
        self.accepted += 1;
        Ok(Sent::Taken)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        // Those who sleep already hear of letters again, now that there is a place for a call.
        if self.is_free() {
            self.bell.want(EventFlags::IN);
        }
        self.bell.ring_at(if self.inbox.is_empty() { self.out.due() } else { now() });
        Ok(Sent::Taken)
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        self.check()?;
        if !self.has_begun {
            self.begin();
        }
        if self.inbox.is_empty() {
            self.out.retry();
            self.look()?;
        }
        match self.inbox.pop_front() {
            Some(frame) => {
                self.current = frame;
                Ok(Received::Frame(&self.current))
            }
            None => Ok(Received::WouldBlock),
        }
    }

    fn accepted(&self) -> u64 {
        self.accepted
    }

    fn readiness(&self) -> Readiness {
        Readiness::Bell(Arc::clone(self.bell.fd()))
    }

    fn arm(&mut self) -> bool {
        if self.origin.is_elsewhere() || !self.inbox.is_empty() || !self.has_begun {
            return false;
        }
        self.bell.want(if self.is_free() { EventFlags::IN } else { EventFlags::empty() });
        self.bell.ring_at(self.out.due());
        !self.bell.rings()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.identity = true;
        capabilities.survives_peer = true;
        // A call goes to whoever takes it, and only its result comes back.
        capabilities.calls_back = false;
        capabilities
    }

    fn peer(&self) -> Peer {
        let mut peer = Peer::on("mailbox");
        peer.address = Some(self.url.path().display().to_string());
        // Whoever can put a letter is of this user, or root.
        peer.uid = Some(rustix::process::geteuid().as_raw());
        peer
    }
}

impl Drop for TakerLink {
    fn drop(&mut self) {
        if !self.origin.is_elsewhere() {
            self.let_go();
            self.out.retry();
        }
    }
}
