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
    /// The wire that they have come for.
    scheme: String,
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
    /// Those who come to a listening socket for a wire.
    ///
    /// # Errors
    /// Descriptors or memory have run out.
    pub(crate) fn new(socket: OwnedFd, scheme: &str) -> io::Result<Self> {
        let arrivals = Arrivals::new(socket);
        let clock = Alarm::new()?;
        let news = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        watch(&news, arrivals.fd(), DOOR)?;
        watch(&news, clock.fd(), CLOCK)?;
        Ok(Callers { scheme: scheme.to_owned(), arrivals, awaited: Slab::new(), clock, news: Arc::new(news) })
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
        match arrived.listen(&self.scheme) {
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
        match self.awaited.get_mut(at)?.listen(&self.scheme) {
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
    fn listen(&mut self, scheme: &str) -> Step {
        while self.have < REQUEST_SIZE {
            match pidfd::receive(self.socket.as_fd(), &mut self.said[self.have..]) {
                Ok((0, _)) => return Step::Gone,
                Ok((read, speaker)) => {
                    self.have += read;
                    if let Speaker::Known(process) = speaker {
                        self.process = Some(process);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.judge_beginning(scheme);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Also those who pass descriptors.
                Err(_) => return Step::Gone,
            }
            if matches!(self.judge_beginning(scheme), Step::Gone) {
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
    fn judge_beginning(&self, scheme: &str) -> Step {
        let known = MEETING.len() - 1;
        let said = &self.said[..self.have.min(known)];
        if MEETING.starts_with(said) {
            return Step::NotYet;
        }
        if self.said[..self.have].starts_with(b"\xFARCALL\n") {
            // No longer than what is quoted of a stranger's words.
            self.say(format!("this socket is for {scheme}:, not for unix:").as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;
    use farcall_core::wire::rendezvous::{GRANT_SIZE, Wish};
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(20);

    fn place() -> (tempfile::TempDir, PathBuf, Callers) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        (directory, path, Callers::new(listener.into(), "shm").unwrap())
    }

    fn visitor(path: &PathBuf, says: &[u8]) -> UnixStream {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(says).unwrap();
        stream
    }

    fn request() -> Request {
        let (wish, trust) = (Wish::Memory, Trust::SameUser);
        Request { wish, trust, memory: None, max_depth: 0, max_ring: 1 << 20, nonce: [3; 16] }
    }

    fn is_quiet(callers: &mut Callers) -> bool {
        callers.next().err().map(|error| error.kind()) == Some(io::ErrorKind::WouldBlock)
    }

    /// What somebody is told before the socket ends.
    fn told(mut visitor: UnixStream) -> Vec<u8> {
        let mut said = Vec::new();
        // Words that were not read come back as a reset.
        let _ = visitor.read_to_end(&mut said);
        said
    }

    #[test]
    fn a_request_in_drops_is_a_request() {
        let (_directory, path, mut callers) = place();
        let bytes = request().encode();
        let mut visitor = visitor(&path, &bytes[..1]);
        for byte in &bytes[1..] {
            assert!(is_quiet(&mut callers));
            visitor.write_all(&[*byte]).unwrap();
        }
        let caller = callers.next().unwrap();
        assert_eq!(caller.request, request());
        assert_eq!(caller.who.pid, Some(std::process::id()));
        assert!(callers.awaited.is_empty() && is_quiet(&mut callers));
    }

    #[test]
    fn strangers_are_dropped_and_a_stream_is_told_where_it_is() {
        let (_directory, path, mut callers) = place();
        let http = visitor(&path, b"GET / HTTP/1.1\r\n\r\n");
        let gone = visitor(&path, b"\xFARM");
        drop(gone);
        let stream = visitor(&path, b"\xFARCALL\n\x01\x30\0\0\0");
        assert!(is_quiet(&mut callers) && callers.awaited.is_empty());
        assert_eq!(told(http), b"");
        assert_eq!(told(stream), b"this socket is for shm:, not for unix:");
    }

    #[test]
    fn another_version_is_answered_in_a_form_that_it_may_know() {
        let (_directory, path, mut callers) = place();
        let mut bytes = request().encode();
        bytes[7] += 1;
        let later = visitor(&path, &bytes);
        assert!(is_quiet(&mut callers));
        let said = told(later);
        let (grant, text) = Grant::decode(said.first_chunk().unwrap()).unwrap();
        assert_eq!((grant.answer, grant.nonce), (Answer::Refused(Code::Unsupported), [3; 16]));
        assert!(text > 0 && said[GRANT_SIZE..].windows(7).any(|word| word == b"version"));
    }

    #[test]
    fn the_silent_make_room_for_others_and_are_dropped_when_their_time_is_over() {
        let (_directory, path, mut callers) = place();
        let silent: Vec<_> = (0..MAX_AWAITED + 3).map(|_| visitor(&path, b"")).collect();
        assert!(is_quiet(&mut callers));
        assert_eq!(callers.awaited.len(), MAX_AWAITED);
        let loud = visitor(&path, &request().encode());
        assert_eq!(callers.next().unwrap().request, request());
        for (_, awaited) in &mut callers.awaited {
            awaited.until = Time::from_nanos(1);
        }
        callers.clock.set(Time::from_nanos(1)).unwrap();
        assert!(is_quiet(&mut callers));
        assert!(callers.awaited.is_empty());
        for visitor in silent {
            assert_eq!(told(visitor), b"");
        }
        drop(loud);
    }

    #[test]
    fn a_request_with_descriptors_is_none() {
        let (_directory, path, mut callers) = place();
        let visitor = UnixStream::connect(&path).unwrap();
        let (given, witness) = UnixStream::pair().unwrap();
        let passed = [given.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&passed)));
        let bytes = request().encode();
        let parts = [io::IoSlice::new(&bytes)];
        // Sent before the door is opened, so that the kernel does not refuse it by itself.
        rustix::net::sendmsg(&visitor, &parts, &mut control, SendFlags::empty()).unwrap();
        assert!(is_quiet(&mut callers) && callers.awaited.is_empty());
        drop(given);
        witness.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(told(witness), b"");
    }
}
