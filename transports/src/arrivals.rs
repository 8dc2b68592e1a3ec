//! Accepting on a socket: what concerns one arrival is passed over, and a shortage of descriptors turns arrivals away.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::transport::Readiness;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};

/// Connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn.
pub(crate) const BACKLOG: i32 = 4096;

/// A listening socket, which does not block.
#[derive(Debug)]
pub(crate) struct Arrivals {
    socket: Arc<OwnedFd>,
    /// Given up when descriptors run out, so that whoever waits can be accepted, closed and thereby told.
    spare: Option<OwnedFd>,
}

impl Arrivals {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Arrivals { socket: Arc::new(socket), spare: spare() }
    }

    /// The next connection.
    ///
    /// # Errors
    /// `WouldBlock`, or a shortage after which the caller should pause.
    pub(crate) fn next(&mut self) -> io::Result<(OwnedFd, Option<SocketAddrAny>)> {
        if self.spare.is_none() {
            self.spare = spare();
        }
        loop {
            match acceptfrom_with(&*self.socket, SocketFlags::CLOEXEC) {
                Err(errno) if CONCERNS_ONE.contains(&errno) => {}
                Err(errno) if SHORTAGES.contains(&errno) => {
                    self.turn_one_away();
                    return Err(errno.into());
                }
                answer => return Ok(answer?),
            }
        }
    }

    /// The listening socket.
    #[cfg(feature = "shm")]
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.socket
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.socket.clone(), write: self.socket.clone() }
    }

    fn turn_one_away(&mut self) {
        self.spare = None;
        let rejected = acceptfrom_with(&*self.socket, SocketFlags::CLOEXEC);
        drop(rejected);
        self.spare = spare();
    }
}

/// Errors of accept(2) that the network or the peer has caused.
const CONCERNS_ONE: [Errno; 12] = [
    Errno::INTR,
    Errno::CONNABORTED,
    Errno::PROTO,
    Errno::PERM,
    Errno::NETDOWN,
    Errno::NOPROTOOPT,
    Errno::HOSTDOWN,
    Errno::NONET,
    Errno::HOSTUNREACH,
    Errno::NETUNREACH,
    Errno::TIMEDOUT,
    Errno::CONNRESET,
];

const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

fn spare() -> Option<OwnedFd> {
    open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}
