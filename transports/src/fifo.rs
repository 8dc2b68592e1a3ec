//! `fifo:/path`: named pipes. A well-known FIFO is the meeting point; each client brings a pair of its own in the same
//! directory, which loses its names as soon as both sides have it open.
//!
//! A FIFO has no credentials, so the directory's count: it is this user's, and nobody else may write to it.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use farcall_core::limits::HANDSHAKE;
use farcall_core::transport::{Framed, Link, Listener, Peer};
use farcall_core::{Code, Error, Fate, Time, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::duct::Duct;
use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::url::Url;
use crate::wait::now;

mod checked;
mod crc;
mod listener;
mod place;
mod words;

use checked::{Checked, Side};
use listener::FifoListener;
use place::{Meeting, Way};
use words::{Request, WELCOME_SIZE, welcome};

pub(crate) struct Fifo;

impl Scheme for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        check_trust(url, query)?;
        query.finish()?;
        let meeting = Meeting::of(url)?;
        let door = knock(url, &meeting)?;
        let mut numbers = [[0; 16]; 2];
        let got =
            rustix::io::retry_on_intr(|| getrandom(numbers.as_flattened_mut(), GetRandomFlags::empty()));
        if got != Ok(32) {
            return Err(refused(url, "asking for random numbers", Errno::AGAIN, &[]));
        }
        let request = Request { cookie: numbers[0], pair: numbers[1] };
        let pair = Pair::make(url, &meeting, &request)?;
        let stream = pair.introduce(url, &door, &request)?;
        Ok(Box::new(Framed::connecting(stream)))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        check_trust(url, query)?;
        query.finish()?;
        Ok(Box::new(FifoListener::new(url)?))
    }

    fn may_block(&self, _url: &Url) -> bool {
        true
    }
}

/// Whoever can open the FIFOs can read and write them, which is noticed but cannot be hindered.
fn check_trust(url: &Url, query: &mut Query) -> Result<(), Error> {
    if query.take_trust()? == Trust::Hostile {
        let text = format!(
            "{url}: a FIFO cannot be kept from others of the same user; use unix: towards a hostile side"
        );
        return Err(Error::new(Code::PermissionDenied, Fate::NotSent, text));
    }
    Ok(())
}

/// The well-known FIFO, if somebody reads it.
fn knock(url: &Url, meeting: &Meeting) -> Result<OwnedFd, Error> {
    #[rustfmt::skip]
    let known = [
        (Errno::NXIO, Code::Unavailable, "its server is gone and has left the FIFO; start the server again, it takes the FIFO over"),
        (Errno::NOENT, Code::Unavailable, "there is no such FIFO; start the server or correct the path"),
        (Errno::NOTSUP, Code::PermissionDenied, "what is there is no FIFO of this user alone, and it is not used; correct the path"),
        (Errno::LOOP, Code::PermissionDenied, "a symbolic link is there, and it is not followed; correct the path"),
    ];
    let opened = meeting.open(meeting.name(), OFlags::WRONLY);
    opened.map(|(fd, _)| fd).map_err(|errno| refused(url, "connecting", errno, &known))
}

/// A client's pair until the server has it. Dropped, its names are gone.
struct Pair<'a> {
    meeting: &'a Meeting,
    names: [std::ffi::OsString; 2],
    source: Option<OwnedFd>,
    sink: Option<OwnedFd>,
    /// Both ends of the way to the server, which so is never without a writer when it opens the other.
    both: Option<OwnedFd>,
}

impl<'a> Pair<'a> {
    fn make(url: &Url, meeting: &'a Meeting, request: &Request) -> Result<Self, Error> {
        let names = [Way::Up, Way::Down].map(|way| meeting.of_pair(&request.pair, way));
        let mut pair = Pair { meeting, names, source: None, sink: None, both: None };
        let planted = [(
            Errno::NOTSUP,
            Code::PermissionDenied,
            "somebody has put something in the place of our FIFOs, and it is not used",
        )];
        let failed = |errno| refused(url, "making a pair of FIFOs", errno, &planted);
        let [up, down] = &pair.names;
        meeting.make(up).map_err(failed)?;
        meeting.make(down).map_err(failed)?;
        let open = |name, way| meeting.open(name, way).map(|(fd, _)| fd).map_err(failed);
        let (source, both) = (open(down, OFlags::RDONLY)?, open(up, OFlags::RDWR)?);
        let sink = open(up, OFlags::WRONLY)?;
        (pair.source, pair.both, pair.sink) = (Some(source), Some(both), Some(sink));
        Ok(pair)
    }

    /// Says where the pair is, and waits until the server has it.
    fn introduce(mut self, url: &Url, door: &OwnedFd, request: &Request) -> Result<Checked, Error> {
        let failed = |errno: Errno| refused(url, "using a FIFO", errno, &[]);
        let (Some(source), Some(sink)) = (self.source.take(), self.sink.take()) else {
            return Err(failed(Errno::BADF));
        };
        let unusable = |error| refused(url, "using a FIFO", error, &[]);
        let (source, sink) =
            (Duct::private(source).map_err(unusable)?, Duct::private(sink).map_err(unusable)?);
        let said = Duct::private(door.try_clone().map_err(unusable)?).map_err(unusable)?;
        #[rustfmt::skip]
        let known = [
            (Errno::AGAIN, Code::Overloaded, "the server has too many connections waiting to be accepted; try again later"),
            (Errno::PIPE, Code::Unavailable, "its server is gone; start it again"),
        ];
        said.write(&[IoSlice::new(&request.encode())])
            .map_err(|errno| refused(url, "connecting", errno, &known))?;
        let until = now() + HANDSHAKE;
        let mut bytes = [0; WELCOME_SIZE];
        let mut have = 0;
        while have < bytes.len() {
            await_answer(url, &source, door, until)?;
            match source.read(&mut bytes[have..]) {
                Ok(0) => return Err(unanswered(url, "the server let go of the connection before it began")),
                Ok(read) => have += read,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        if bytes != welcome(&request.cookie) {
            let text = format!("{url}: the answer is not the server's; somebody else writes into our FIFO");
            return Err(Error::new(Code::ProtocolViolation, Fate::NotSent, text));
        }
        let mut peer = Peer::on("fifo");
        peer.address = Some(self.meeting.path().display().to_string());
        Ok(Checked::new(source, sink, peer, &request.cookie, Side::Connecting))
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            // The server has removed it, if it has seen it.
            let _ = self.meeting.remove(name);
        }
    }
}

/// Until there is something to read, or nobody reads the well-known FIFO any more.
fn await_answer(url: &Url, source: &Duct, door: &OwnedFd, until: Time) -> Result<(), Error> {
    let left = until.since(now());
    let late = || unanswered(url, "no answer within 5 s; is a Farcall server running there");
    if left.is_zero() {
        return Err(late());
    }
    let left = Timespec::try_from(left).expect("a handshake is a few seconds");
    let mut fds = [PollFd::new(&**source.fd(), PollFlags::IN), PollFd::new(door, PollFlags::empty())];
    match poll(&mut fds, Some(&left)) {
        Ok(0) => Err(late()),
        Ok(_) if !fds[0].revents().is_empty() => Ok(()),
        Ok(_) => Err(unanswered(url, "its server is gone; start it again")),
        Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(refused(url, "waiting for the server", errno, &[])),
    }
}

fn unanswered(url: &Url, what: &str) -> Error {
    Error::new(Code::Unavailable, Fate::NotSent, format!("{url}: {what}"))
}
