//! The calling side: to its driver it plays the server, of which there may be none yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::limits::{DEFAULT_WINDOW, MAX_DEADLINE, MAX_PRIORITY};
use farcall_core::proto::WhenFull;
use farcall_core::transport::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use farcall_core::wire::mailbox::{Arguments, Id, Letter, NOBODY};
use farcall_core::wire::{
    Answer, Flags, Head, Hello, Kind, Open, Opened, Options, VERSION, encode_cancelled, encode_error, parse,
};
use farcall_core::{Code, Error, Fate, Time};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;

use super::bell::{Bell, since_boot};
use super::drawer::{Drawer, Kept};
use super::post::{Inbox, LARGEST};
use super::{exhausted, random_id};
use crate::queue::Queue;
use crate::sys::forked::Origin;
use crate::url::Url;
use crate::wait::now;

mod slips;

/// Empty looks after which the takers' lives are looked at, for those who never sleep.
const LOOKS: u32 = 256;

/// A letter that is put so soon before its deadline would be taken for nothing. Whoever waits on a busy machine is told
/// within this time that it was not put.
const LAST_MOMENT: Duration = Duration::from_millis(50);

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
    takers: HashMap<Id, Arc<OwnedFd>>,
    /// No deadline of a call is earlier.
    due: Time,
    inbox: VecDeque<Vec<u8>>,
    current: Vec<u8>,
    accepted: u64,
    buf: Vec<u8>,
    /// Something rang: the takers' lives are looked at.
    is_suspicious: bool,
    looks: u32,
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

struct Waiting {
    call: u64,
    priority: u8,
    letter: Vec<u8>,
    kept: Option<Kept>,
}

impl CallerLink {
    pub(super) fn new(url: &Url, queue: Queue, drawer: Drawer, full: WhenFull) -> Result<Self, Error> {
        let id = random_id(url)?;
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
            looks: 0,
        })
    }

    /// A frame for the driver.
    fn tell(&mut self, head: Head, payload: &[u8]) {
        let mut frame = head.encode(Options::default()).as_slice().to_vec();
        frame.extend_from_slice(payload);
        self.inbox.push_back(frame);
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

    /// Writes the letter of a call, and puts it if there is room.
    fn post(&mut self, head: Head, options: Options, arguments: &[u8]) {
        let left = options.deadline.unwrap_or(MAX_DEADLINE);
        let left_nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let deadline = since_boot().saturating_add(left_nanos);
        let until = now() + left.saturating_sub(LAST_MOMENT.min(left / 10));
        self.calls.insert(head.call, Out { until, stage: Stage::Waiting, detached: options.detached });
        self.due = self.due.min(until);
        let (letter, kept) = match self.write(head, options.detached, deadline, arguments) {
            Ok(written) => written,
            Err((code, why)) => return self.refuse(head.call, code, Fate::NotSent, &why),
        };
        let priority = options.priority.min(MAX_PRIORITY);
        self.letters += 1;
        let place = (Reverse(priority), self.letters);
        self.waiting.insert(place, Waiting { call: head.call, priority, letter, kept });
        self.put();
        if self.fails_when_full && self.waiting.remove(&place).is_some() {
            let depth = self.depth;
            let why = format!("the mailbox is full: {depth} calls wait in it");
            self.refuse(head.call, Code::Overloaded, Fate::NotSent, &why);
        }
    }

    fn write(
        &self,
        head: Head,
        detached: bool,
        deadline: u64,
        arguments: &[u8],
    ) -> Result<(Vec<u8>, Option<Kept>), (Code, String)> {
        let service = (head.object as usize).checked_sub(1).and_then(|at| self.services.get(at));
        let method = service.and_then(|service| service.methods.get(usize::from(head.method)));
        let (Some(service), Some(method)) = (service, method) else {
            return Err((Code::UnknownMethod, "the call is of a method that was not opened".to_owned()));
        };
        let mut letter = Letter {
            reply_to: if detached { NOBODY } else { self.id },
            call: head.call,
            deadline,
            fingerprint: method.fingerprint,
            codec: &self.codec,
            service: &service.service,
            method: &method.name,
            arguments: Arguments::Here(arguments),
        };
        let bytes = if arguments.len() < self.letter { letter.encode() } else { Vec::new() };
        if !bytes.is_empty() && bytes.len() <= self.letter {
            return Ok((bytes, None));
        }
        let exhausted = |error: std::io::Error| {
            let size = arguments.len();
            (
                Code::ResourceExhausted,
                format!("the {size} bytes of arguments cannot be kept in a file: {error}"),
            )
        };
        let id = random_id(&self.url).map_err(|error| (error.code(), error.to_string()))?;
        let kept = self.drawer.keep(deadline, id, arguments).map_err(exhausted)?;
        letter.arguments = Arguments::File(kept.id, arguments.len() as u64);
        Ok((letter.encode(), Some(kept)))
    }

    /// Puts letters as long as there is room.
    fn put(&mut self) {
        while let Some(mut first) = self.waiting.first_entry() {
            let waiting = first.get_mut();
            match self.queue.send(&waiting.letter, waiting.priority.into()) {
                Ok(()) => {
                    if let Some(kept) = &mut waiting.kept {
                        kept.put();
                    }
                    let call = first.remove().call;
                    self.note_put(call);
                }
                Err(Errno::AGAIN) => break,
                Err(error) => {
                    let call = first.remove().call;
                    let why = format!("the letter cannot be put: {error}");
                    self.refuse(call, Code::ResourceExhausted, Fate::NotSent, &why);
                }
            }
        }
    }

    fn note_put(&mut self, call: u64) {
        match self.calls.get_mut(&call) {
            Some(out) if out.detached => {
                self.calls.remove(&call);
                // Its credit comes back; nobody reads the value.
                self.tell(Head::new(Kind::Reply, call), &[]);
            }
            Some(out) => out.stage = Stage::Put,
            None => {}
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
        if self.read_slips()? {
            return Ok(());
        }
        self.put();
        self.expire(now());
        self.looks = self.looks.wrapping_add(1);
        if self.is_suspicious || self.looks.is_multiple_of(LOOKS) {
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
        if self.inbox.is_empty() {
            self.look()?;
        }
        // A slip may bring nothing for the driver: what comes behind it is not to be left.
        while self.inbox.is_empty() && self.read_slips()? {}
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
