//! The listening side of a rendezvous: those who have come and not yet said what they want, none of whom is waited for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use farcall_core::limits::{HANDSHAKE, MAX_AWAITED};
use farcall_core::transport::Readiness;
use farcall_core::wire::rendezvous::{Answer, Grant, MEETING, REQUEST_SIZE, Request};
use farcall_core::{Code, Time, Trust};
use rustix::event::{Timespec, epoll};
use rustix::net::{SendFlags, send};
use slab::Slab;

use crate::arrivals::Arrivals;
use crate::sys::peer::{Credentials, credentials};
use crate::sys::pidfd::{self, Speaker};
use crate::unix::is_trusted;
use crate::wait::{Alarm, now};

/// What an event is about: the door, the clock, or an awaited caller with the number above these.
const DOOR: u64 = 0;
const CLOCK: u64 = 1;
const AWAITED: u64 = 2;

/// What a `unix:` client is told, as long as what it quotes of a stranger's words.
const USE_ANOTHER_URL: &[u8] = b"this socket is for shm: and local:, not for unix:";

/// Somebody who has asked for something.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) socket: OwnedFd,
    pub(crate) request: Request,
    pub(crate) who: Credentials,
    /// The process that asks.
    pub(crate) process: Option<Arc<OwnedFd>>,
}

/// Who has come.
#[derive(Debug)]
pub(crate) struct Callers {
    arrivals: Arrivals,
    awaited: Slab<Awaited>,
    clock: Alarm,
    /// Readable when any of these has news; each of them by level, so that this is readable until all is seen to.
    news: Arc<OwnedFd>,
}

/// Somebody who has asked for nothing yet.
#[derive(Debug)]
struct Awaited {
    socket: OwnedFd,
    who: Credentials,
    process: Option<Arc<OwnedFd>>,
    until: Time,
    said: [u8; REQUEST_SIZE],
    have: usize,
}

/// How far somebody has come.
enum Step {
    Asked(Request),
    NotYet,
    /// It has left, or is a stranger.
    Gone,
}

impl Callers {
    /// Those who come to a listening socket.
    ///
    /// # Errors
    /// Descriptors or memory have run out.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let arrivals = Arrivals::new(socket);
        let clock = Alarm::new()?;
        let news = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        watch(&news, arrivals.fd(), DOOR)?;
        watch(&news, clock.fd(), CLOCK)?;
        Ok(Callers { arrivals, awaited: Slab::new(), clock, news: Arc::new(news) })
    }

    /// What to wait on.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness::Fd { read: Arc::clone(&self.news), write: Arc::clone(&self.news) }
    }

    /// The next one who has asked for something.
    ///
    /// # Errors
    /// `WouldBlock` once all news are seen to; else a shortage after which the caller should pause.
    pub(crate) fn next(&mut self) -> io::Result<Caller> {
        let now_or_never = Some(&Timespec { tv_sec: 0, tv_nsec: 0 });
        loop {
            // One at a time: what is not taken stays, and the kernel lets each have its turn.
            let mut event = Vec::with_capacity(1);
            rustix::io::retry_on_intr(|| {
                epoll::wait(&self.news, rustix::buffer::spare_capacity(&mut event), now_or_never)
            })?;
            let caller = match event.first().map(|event| event.data.u64()) {
                None => return Err(io::ErrorKind::WouldBlock.into()),
                Some(DOOR) => self.welcome()?,
                Some(CLOCK) => {
                    self.dismiss_late();
                    None
                }
                Some(awaited) => self.hear(usize::try_from(awaited - AWAITED).unwrap_or(usize::MAX)),
            };
            if let Some(caller) = caller {
                return Ok(caller);
            }
        }
    }

    /// Lets in who stands at the door.
    fn welcome(&mut self) -> io::Result<Option<Caller>> {
        let socket = match self.arrivals.next() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        // Others are dropped without a word: they learn only that somebody is here.
        let Some(who) = credentials(socket.as_fd()).ok().filter(|who| is_trusted(*who)) else {
            return Ok(None);
        };
        pidfd::ask(socket.as_fd());
        let until = now() + HANDSHAKE;
        let mut arrived = Awaited { socket, who, process: None, until, said: [0; REQUEST_SIZE], have: 0 };
        match arrived.listen() {
            Step::Asked(request) => return Ok(Some(arrived.caller(request))),
            Step::Gone => return Ok(None),
            Step::NotYet => {}
        }
        if self.awaited.len() >= MAX_AWAITED {
            let eldest = self.awaited.iter().min_by_key(|(_, awaited)| awaited.until).map(|(at, _)| at);
            eldest.map(|at| self.awaited.remove(at));
        }
        let entry = self.awaited.vacant_entry();
        if watch(&self.news, &arrived.socket, entry.key() as u64 + AWAITED).is_ok()
            && self.clock.set(until).is_ok()
        {
            entry.insert(arrived);
        }
        Ok(None)
    }

    /// An awaited caller has said something.
    fn hear(&mut self, at: usize) -> Option<Caller> {
        match self.awaited.get_mut(at)?.listen() {
            Step::NotYet => None,
            Step::Gone => {
                // Closing the socket takes it out of the news.
                drop(self.awaited.remove(at));
                None
            }
            Step::Asked(request) => {
                let caller = self.awaited.remove(at);
                let _ = epoll::delete(&self.news, &caller.socket);
                Some(caller.caller(request))
            }
        }
    }

    fn dismiss_late(&mut self) {
        self.clock.clear();
        let now = now();
        self.awaited.retain(|_, awaited| awaited.until > now);
        if let Some(next) = self.awaited.iter().map(|(_, awaited)| awaited.until).min() {
            let _ = self.clock.set(next);
        }
    }
}

impl Awaited {
    fn caller(self, request: Request) -> Caller {
        pidfd::stop_asking(self.socket.as_fd());
        Caller { socket: self.socket, request, who: self.who, process: self.process }
    }

    /// Reads what has come of the request.
    fn listen(&mut self) -> Step {
        while self.have < REQUEST_SIZE {
            match pidfd::receive(self.socket.as_fd(), &mut self.said[self.have..]) {
                Ok((0, _)) => return Step::Gone,
                Ok((read, speaker)) => {
                    self.have += read;
                    if let Speaker::Known(process) = speaker {
                        self.process = Some(process);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.judge_beginning(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Also those who pass descriptors.
                Err(_) => return Step::Gone,
            }
            if matches!(self.judge_beginning(), Step::Gone) {
                return Step::Gone;
            }
        }
        match Request::decode(&self.said) {
            Ok(request) => Step::Asked(request),
            Err(malformed) => {
                let answer = Answer::Refused(Code::Unsupported);
                let grant = Grant {
                    answer,
                    trust: Trust::Hostile,
                    nonce: *self.said.last_chunk().expect("a request is longer than its nonce"),
                    reason: malformed.to_string(),
                };
                self.say(&grant.encode());
                Step::Gone
            }
        }
    }

    /// Whether this may become a request, of whatever version. A stream that has come to the wrong door is told so.
    fn judge_beginning(&self) -> Step {
        let known = MEETING.len() - 1;
        let said = &self.said[..self.have.min(known)];
        if MEETING.starts_with(said) {
            return Step::NotYet;
        }
        if self.said[..self.have].starts_with(b"\xFARCALL\n") {
            self.say(USE_ANOTHER_URL);
        }
        Step::Gone
    }

    /// One attempt, whatever becomes of it.
    fn say(&self, bytes: &[u8]) {
        let _ = send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

fn watch(news: &OwnedFd, fd: impl AsFd, data: u64) -> rustix::io::Result<()> {
    epoll::add(news, fd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)
}
