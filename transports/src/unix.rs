//! `unix:/path` and `unix:@name`: Unix stream sockets.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use farcall_core::transport::{ByteStream, Capabilities, Framed, Link, Listener, Peer, Readiness};
use farcall_core::{Code, Error};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::sys::peer::{Credentials, credentials};
use crate::sys::pidfd::{self, Speaker};
use crate::url::Url;

mod claim;
mod listener;
mod lock;
mod place;

#[cfg(feature = "shm")]
pub(crate) use claim::Claim;
#[cfg(feature = "fifo")]
pub(crate) use claim::describe;
#[cfg(feature = "shm")]
pub(crate) use listener::occupy;
#[cfg(feature = "fifo")]
pub(crate) use lock::Lock;
pub(crate) use place::{Place, connect_retrying, explain, is_trusted, socket};

/// Reads for which the peer's pidfd is asked. It comes with the first, unless descriptors have run out just then.
const ASKED_READS: u8 = 16;

pub(crate) struct Unix;

impl Scheme for Unix {
    fn name(&self) -> &'static str {
        "unix"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let place = Place::of(url)?;
        query.finish()?;
        let socket = socket().map_err(|errno| refused(url, "making a socket", errno, &[]))?;
        let reached = place.address().and_then(|address| connect_retrying(&socket, &address.address));
        reached.map_err(|errno| explain(url, &place, errno))?;
        let who =
            credentials(socket.as_fd()).map_err(|error| refused(url, "asking who serves", error, &[]))?;
        if matches!(place, Place::Abstract(_)) && !is_trusted(who) {
            return Err(refused(
                url,
                "connecting",
                Errno::ACCESS,
                &[(
                    Errno::ACCESS,
                    Code::PermissionDenied,
                    "another user serves this abstract name; use a path in a directory of your own",
                )],
            ));
        }
        Ok(Box::new(Framed::connecting(UnixStream::new(socket, who, place.text()))))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let place = Place::of(url)?;
        query.finish()?;
        Ok(Box::new(listener::UnixListener::new(url, &place)?))
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct UnixStream {
    socket: Arc<OwnedFd>,
    peer: Peer,
    life: Option<Arc<OwnedFd>>,
    /// Reads for which the peer's pidfd is still asked.
    asks: u8,
}

impl UnixStream {
    fn new(socket: OwnedFd, who: Credentials, address: String) -> Self {
        let asks = if pidfd::ask(socket.as_fd()) { ASKED_READS } else { 0 };
        UnixStream { socket: Arc::new(socket), peer: peer(who, address), life: None, asks }
    }

    /// A socket over which the two sides have met and know each other, and agreed to go on: for this reason, although the
    /// URL would have preferred something else.
    #[cfg(feature = "shm")]
    pub(crate) fn met(
        socket: OwnedFd,
        who: Credentials,
        address: String,
        life: Option<Arc<OwnedFd>>,
        fallback: String,
    ) -> Self {
        let mut peer = peer(who, address);
        peer.fallback = Some(fallback);
        UnixStream { socket: Arc::new(socket), peer, life, asks: 0 }
    }

    fn read_asking(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (read, speaker) = pidfd::receive(self.socket.as_fd(), buf)?;
        self.asks -= 1;
        if let Speaker::Known(process) = speaker {
            self.life = Some(process);
            self.asks = 0;
        }
        if self.asks == 0 {
            pidfd::stop_asking(self.socket.as_fd());
        }
        Ok(read)
    }
}

fn peer(who: Credentials, address: String) -> Peer {
    let mut peer = Peer::on("unix");
    peer.address = Some(address);
    (peer.uid, peer.gid, peer.pid) = (Some(who.uid), Some(who.gid), who.pid);
    peer
}

impl ByteStream for UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.asks > 0 {
            return self.read_asking(buf);
        }
        let (read, _) = recv(&*self.socket, buf, RecvFlags::DONTWAIT)?;
        Ok(read)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(match bufs {
            [only] => send(&*self.socket, only, flags)?,
            _ => sendmsg(&*self.socket, bufs, &mut SendAncillaryBuffer::default(), flags)?,
        })
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.socket.clone(), write: self.socket.clone() }
    }

    fn life(&self) -> Option<Arc<OwnedFd>> {
        self.life.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.identity = true;
        capabilities
    }

    fn peer(&self) -> Peer {
        self.peer.clone()
    }
}
