//! Listening at a well-known FIFO: each request names a pair that its client has made.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::transport::{Framed, Link, Listener, Peer, Readiness};
use farcall_core::{Code, Error, Fate};
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, read};

use super::checked::{Checked, Side};
use super::place::{Meeting, Way};
use super::words::{REQUEST_SIZE, Request, welcome};
use crate::duct::Duct;
use crate::refusal::refused;
use crate::unix::{Lock, describe};
use crate::url::{Url, encode_path};

/// Bytes that are read at once: more than a pipe's page.
const READ: usize = 8 * 1024;

pub(super) struct FifoListener {
    meeting: Meeting,
    /// Device and inode of the FIFO.
    ours: (u64, u64),
    lock: Lock,
    /// Open for both ways, so that it never ends.
    fifo: Arc<OwnedFd>,
    said: Vec<u8>,
    url: String,
}

impl FifoListener {
    pub(super) fn new(url: &Url) -> Result<Self, Error> {
        let meeting = Meeting::of(url)?;
        let lock = Lock::take(url, meeting.directory(), meeting.name())?;
        lock.sign("");
        let fifo = claim(url, &meeting)?;
        meeting.sweep();
        let (fifo, found) = fifo;
        let address = encode_path(meeting.path().as_os_str().as_encoded_bytes());
        Ok(FifoListener {
            ours: (found.st_dev, found.st_ino),
            lock,
            fifo: Arc::new(fifo),
            said: Vec::new(),
            url: format!("{}:{address}", url.scheme()),
            meeting,
        })
    }

    /// The pair that a request names, as a link; `None`: there is no such pair, or its client is gone.
    fn welcome(&self, request: &Request) -> Option<Box<dyn Link>> {
        let name = |way| self.meeting.of_pair(&request.pair, way);
        let (up, down) = (name(Way::Up), name(Way::Down));
        let source = self.meeting.open(&up, OFlags::RDONLY);
        let sink = self.meeting.open(&down, OFlags::WRONLY);
        // Both sides have both open, or this connection is none.
        for name in [&up, &down] {
            let _ = self.meeting.remove(name);
        }
        let (source, sink) = (Duct::private(source.ok()?.0).ok()?, Duct::private(sink.ok()?.0).ok()?);
        let said = sink.write(&[io::IoSlice::new(&welcome(&request.cookie))]);
        said.ok()?;
        let mut peer = Peer::on("fifo");
        peer.address = Some(self.meeting.path().display().to_string());
        let stream = Checked::new(source, sink, peer, &request.cookie, Side::Listening);
        Some(Box::new(Framed::accepted(stream)))
    }
}

/// Opens the FIFO at the place, which is made if nothing is there. Who calls this holds the lock.
fn claim(url: &Url, meeting: &Meeting) -> Result<(OwnedFd, rustix::fs::Stat), Error> {
    match meeting.found() {
        Err(Errno::NOENT) => {
            meeting.make(meeting.name()).map_err(|errno| refused(url, "making the FIFO", errno, &[]))?;
        }
        Err(errno) => return Err(refused(url, "looking at the path", errno, &[])),
        Ok(found) => {
            let kind = FileType::from_raw_mode(found.st_mode);
            if kind != FileType::Fifo {
                return Err(url.refuse(format!(
                    "{} is there, and it is not removed; move it away or choose another path",
                    describe(kind)
                )));
            }
        }
    }
    meeting.open(meeting.name(), OFlags::RDWR).map_err(|errno| match errno {
        Errno::NOTSUP | Errno::LOOP => {
            let text = format!(
                "{url}: the FIFO that is there is not this user's alone, and it is not removed; move it away or choose \
                 another path"
            );
            Error::new(Code::PermissionDenied, Fate::NotSent, text)
        }
        errno => refused(url, "opening the FIFO", errno, &[]),
    })
}

impl Listener for FifoListener {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        loop {
            while let Some((request, end)) = Request::find(&self.said) {
                self.said.drain(..end);
                if let Some(link) = self.welcome(&request) {
                    return Ok(link);
                }
            }
            // What cannot be the beginning of a request any more is garbage.
            let garbage = self.said.len().saturating_sub(REQUEST_SIZE - 1);
            self.said.drain(..garbage);
            let mut bytes = [0; READ];
            match read(&*self.fifo, &mut bytes) {
                Ok(count) => self.said.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: Arc::clone(&self.fifo), write: Arc::clone(&self.fifo) }
    }

    fn local_url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for FifoListener {
    fn drop(&mut self) {
        if self.lock.is_ours()
            && self.meeting.found().is_ok_and(|found| self.ours == (found.st_dev, found.st_ino))
        {
            let _ = self.meeting.remove(self.meeting.name());
        }
    }
}
