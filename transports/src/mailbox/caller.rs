//! The calling side: to its driver it plays the server, of which there may be none yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::limits::DEFAULT_WINDOW;
use farcall_core::proto::WhenFull;
use farcall_core::transport::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use farcall_core::wire::mailbox::Id;
use farcall_core::wire::{
    Answer, Flags, Head, Hello, Kind, Open, Opened, Options, Role, VERSION, encode_cancelled, encode_error,
    parse,
};
use farcall_core::{Code, Error, Fate, Time};
use rustix::event::epoll::EventFlags;

use super::bell::Bell;
use super::drawer::Drawer;
use super::post::{Inbox, LARGEST};
use super::{exhausted, random_id};
use crate::queue::Queue;
use crate::sys::forked::Origin;
use crate::url::Url;
use crate::wait::now;

mod letters;
mod slips;

use letters::Waiting;

/// Time after which the takers' lives are looked at again, for those who never sleep. Counted in time and not in looks: who
/// polls on a busy machine looks seldom.
const AGAIN: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct CallerLink {
    url: Url,
    queue: Queue,
    /// Letters that it holds, and bytes of each.
    depth: usize,
    letter: usize,
    drawer: Drawer,
    id: Id,
    slips: Inbox,
    bell: Bell,
    origin: Origin,
    fails_when_full: bool,
    codec: String,
    max_message: usize,
    services: Vec<Open>,
    /// A call whose arguments come in fragments.
    gathering: Option<(Head, Options, Vec<u8>)>,
    calls: HashMap<u64, Out>,
    /// Letters that found no room: the highest priority first, then the eldest.
    waiting: BTreeMap<(Reverse<u8>, u64), Waiting>,
    letters: u64,
    takers: HashMap<Id, Taker>,
    /// No deadline of a call is earlier.
    due: Time,
    inbox: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    accepted: u64,
    buf: Vec<u8>,
    /// Something rang: the takers' lives are looked at.
    is_suspicious: bool,
    /// When they are looked at in any case.
    bury_at: Time,
    /// The last verdict has just come: the next look would find nothing.
    has_all: bool,
}

/// A call without a verdict.
struct Out {
    /// Until then it makes sense to put its letter, or to wait for its verdict.
    until: Time,
    stage: Stage,
    /// Nobody waits for its verdict: it ends when its letter is put.
    detached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Put,
    Taken(Id),
}

/// Somebody who takes letters of this caller.
struct Taker {
    process: OwnedFd,
    /// Where it notes which, once this is known.
    ledger: Option<OwnedFd>,
}

impl CallerLink {
    pub(super) fn new(url: &Url, queue: Queue, drawer: Drawer, full: WhenFull) -> Result<Self, Error> {
        let id = random_id().map_err(|error| error.context(url))?;
        let slips = Inbox::open(&id).map_err(|error| exhausted(url, error))?;
        let bell = Bell::new(queue.fd()).map_err(|error| exhausted(url, error))?;
        bell.add(slips.fd()).map_err(|error| exhausted(url, error))?;
        let shape = queue.attributes().map_err(|errno| exhausted(url, errno))?;
        Ok(CallerLink {
            url: url.clone(),
            queue,
            depth: shape.depth,
            letter: shape.message,
            drawer,
            id,
            slips,
            bell,
            origin: Origin::here(),
            fails_when_full: full == WhenFull::Fail,
            codec: String::new(),
            max_message: 0,
            services: Vec::new(),
            gathering: None,
            calls: HashMap::new(),
            waiting: BTreeMap::new(),
            letters: 0,
            takers: HashMap::new(),
            due: Time::NEVER,
            inbox: VecDeque::new(),
            current: Vec::new(),
            accepted: 0,
            buf: vec![0; LARGEST],
            is_suspicious: false,
            bury_at: Time::default(),
            has_all: false,
        })
    }

    /// A frame for the driver.
    fn tell(&mut self, head: Head, payload: &[u8]) {
        self.inbox.push_back([head.encode(Options::default()).as_slice(), payload].concat());
    }

    fn refuse(&mut self, call: u64, code: Code, fate: Fate, why: &str) {
        self.calls.remove(&call);
        let error = Error::new(code, fate, format!("{}: {why}", self.url));
        self.tell(Head::new(Kind::Error, call), &encode_error(&error));
    }

    fn hear_hello(&mut self, payload: &[u8]) -> Result<(), LinkFault> {
        let hello = Hello::decode(payload).map_err(own)?;
        self.codec.clone_from(&hello.codec);
        self.max_message = usize::try_from(hello.max_message).unwrap_or(usize::MAX);
        let answer = Hello {
            versions: (VERSION, VERSION),
            role: Some(Role::Accepting),
            attended_always: true,
            max_message: hello.max_message,
            window: DEFAULT_WINDOW,
            codec: hello.codec,
        };
        self.tell(Head::new(Kind::Hello, 0), &answer.encode());
        Ok(())
    }

    /// Whether the service has these methods is found out by whoever takes a call.
    fn hear_open(&mut self, head: Head, payload: &[u8]) -> Result<(), LinkFault> {
        let open = Open::decode(payload).map_err(own)?;
        let answers = vec![Answer::Served; open.methods.len()];
        self.services.push(open);
        let opened = Opened { known: true, answers, text: String::new(), shapes: Vec::new() };
        self.tell(Head { object: head.object, ..Head::new(Kind::Opened, 0) }, &opened.encode());
        Ok(())
    }

    fn hear_call(&mut self, head: Head, options: Options, payload: &[u8]) {
        let goes_on = head.flags.has(Flags::CONTINUED);
        if !goes_on && !head.flags.has(Flags::MORE) {
            return self.post(head, options, payload);
        }
        match &mut self.gathering {
            Some((.., buf)) if goes_on => buf.extend_from_slice(payload),
            gathering => *gathering = Some((head, options, payload.to_vec())),
        }
        if !head.flags.has(Flags::MORE)
            && let Some((head, options, buf)) = self.gathering.take()
        {
            self.post(head, options, &buf);
        }
    }

    /// The caller leaves. What is in the mailbox stays there: it cannot be found among the others.
    fn hear_cancel(&mut self, call: u64) {
        let Some(out) = self.calls.remove(&call) else { return };
        if out.stage == Stage::Waiting {
            self.waiting.retain(|_, waiting| waiting.call != call);
        }
        let fate = if out.stage == Stage::Waiting { Fate::NotExecuted } else { Fate::Unknown };
        self.tell(Head::new(Kind::Cancelled, call), &encode_cancelled(fate));
    }

    fn look(&mut self) -> Result<(), LinkFault> {
        // A slip may bring nothing for the driver: what comes behind it is not to be left.
        let mut has_come = false;
        while self.inbox.is_empty() && self.read_slips()? {
            has_come = true;
        }
        if has_come {
            return Ok(());
        }
        self.put();
        let now = now();
        self.expire(now);
        if self.is_suspicious || now >= self.bury_at {
            self.bury_at = now + AGAIN;
            self.bury()?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), LinkFault> {
        if self.origin.is_elsewhere() { Err(LinkFault::Forked) } else { Ok(()) }
    }
}

/// This side's own driver has sent it.
fn own(malformed: farcall_core::wire::Malformed) -> LinkFault {
    LinkFault::Broken(malformed.to_string())
}

impl Link for CallerLink {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.check()?;
        let parsed = parse(frame.head).map_err(own)?;
        let (head, options) = (parsed.head, parsed.options);
        match head.kind {
            Kind::Hello => self.hear_hello(frame.body)?,
            Kind::Open => self.hear_open(head, frame.body)?,
            Kind::Call => self.hear_call(head, options, frame.body),
            Kind::Cancel => self.hear_cancel(head.call),
            Kind::Abort => self.gathering = None,
            Kind::Ping => self.tell(Head::new(Kind::Pong, head.call), &[]),
            _ => {}
        }
        self.accepted += 1;
        Ok(Sent::Taken)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        // Those who sleep already hear of what is due, and of room.
        self.bell.ring_at(if self.inbox.is_empty() { self.due } else { now() });
        if !self.waiting.is_empty() {
            self.bell.want(EventFlags::OUT);
        }
        Ok(Sent::Taken)
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        self.check()?;
        if self.inbox.is_empty() && !std::mem::take(&mut self.has_all) {
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
        if self.origin.is_elsewhere() || !self.inbox.is_empty() {
            return false;
        }
        self.bell.want(if self.waiting.is_empty() { EventFlags::empty() } else { EventFlags::OUT });
        self.bell.ring_at(self.due);
        self.is_suspicious = self.bell.rings();
        !self.is_suspicious
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.survives_peer = true;
        // A call goes to whoever takes it, and only its result comes back.
        capabilities.calls_back = false;
        capabilities
    }

    fn peer(&self) -> Peer {
        let mut peer = Peer::on("mailbox");
        peer.address = Some(self.url.path().display().to_string());
        peer
    }
}

impl Drop for CallerLink {
    fn drop(&mut self) {
        if self.origin.is_elsewhere() {
            // The files belong to the process that this one was forked from.
            for kept in self.waiting.values_mut().filter_map(|waiting| waiting.kept.as_mut()) {
                kept.put();
            }
        }
    }
}
