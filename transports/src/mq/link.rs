//! One end of a connection over message queues.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::transport::{Capabilities, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};
use farcall_core::{Code, Error, Fate, Trust};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{Shutdown, shutdown};

use super::inward::{Inward, Taken};
use super::outward::Outward;
use crate::queue::Queue;
use crate::rendezvous::{has_ended, watch_life};
use crate::sys::forked::Origin;

/// What a link is made of.
pub(super) struct Parts {
    pub(super) inward: Queue,
    pub(super) outward: Queue,
    /// Of what comes, and of what goes.
    pub(super) keys: (u64, u64),
    /// Bytes of a message.
    pub(super) message: usize,
    pub(super) socket: Arc<OwnedFd>,
    /// Of the process that spoke at the rendezvous.
    pub(super) process: Option<Arc<OwnedFd>>,
    pub(super) peer: Peer,
    pub(super) trust: Trust,
}

/// See the module.
pub(super) struct MqLink {
    inward: Inward,
    outward: Outward,
    /// Open as long as the link is: its end tells the peer that this side has let go.
    socket: Arc<OwnedFd>,
    /// Readable when the peer has let go of the socket or its process has ended.
    life: Arc<OwnedFd>,
    process: Option<Arc<OwnedFd>>,
    peer: Peer,
    trust: Trust,
    origin: Origin,
    /// The peer has said that nothing more will come.
    is_over: bool,
}

impl MqLink {
    /// # Errors
    /// Descriptors or memory have run out.
    pub(super) fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { inward, outward, keys, message, socket, process, peer, trust } = parts;
        let exhausted = |errno| {
            let text = format!("the peer's life cannot be watched: {errno}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(std::io::Error::from(errno))
        };
        let life = watch_life(&socket, process.as_deref()).map_err(exhausted)?;
        Ok(MqLink {
            inward: Inward::new(inward, keys.0, message),
            outward: Outward::new(outward, keys.1, message).map_err(exhausted)?,
            socket,
            life: Arc::new(life),
            process,
            peer,
            trust,
            origin: Origin::here(),
            is_over: false,
        })
    }

    fn at_home(&self) -> Result<(), LinkFault> {
        if self.origin.is_elsewhere() { Err(LinkFault::Forked) } else { Ok(()) }
    }

    /// Whether the peer takes nothing more: it has said so, its process has ended, or it has let go of the socket.
    fn is_gone(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.is_over
            || poll(&mut [PollFd::new(&*self.life, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

impl Link for MqLink {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.at_home()?;
        if self.is_over {
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        self.outward.send(frame)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        self.at_home()?;
        self.outward.flush()
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        self.at_home()?;
        match self.inward.receive()? {
            Taken::Frame(frame) => Ok(Received::Frame(frame)),
            Taken::Nothing => Ok(Received::WouldBlock),
            Taken::End => {
                self.is_over = true;
                Ok(Received::Closed)
            }
        }
    }

    fn accepted(&self) -> u64 {
        self.outward.accepted()
    }

    fn taken(&mut self) -> Option<u64> {
        let is_proof = self.trust != Trust::Hostile && !self.origin.is_elsewhere() && self.is_gone();
        if is_proof { self.outward.taken() } else { None }
    }

    fn is_mid_frame(&self) -> bool {
        self.inward.is_mid_frame()
    }

    fn readiness(&self) -> Readiness {
        let (read, write) = (Arc::clone(self.inward.queue.fd()), Arc::clone(self.outward.queue.fd()));
        Readiness::Fd { read, write }
    }

    fn life(&self) -> Option<Arc<OwnedFd>> {
        Some(Arc::clone(&self.life))
    }

    fn has_exited(&self) -> bool {
        has_ended(self.process.as_deref(), self.trust)
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

impl Drop for MqLink {
    /// The end, in order: nothing is said in the name of the process that this one was forked from.
    fn drop(&mut self) {
        if self.origin.is_elsewhere() {
            return;
        }
        self.outward.close();
        // Others may still hold the descriptor, to wait on it.
        let _ = shutdown(&*self.socket, Shutdown::Both);
    }
}
