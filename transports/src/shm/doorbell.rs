//! The doorbell: how one side wakes the other from its sleep, by what the two believe of each other.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::Trust;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, write};
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// Rings taken off a socket at once. A peer that rings faster is heard again at the next sleep.
const RINGS: usize = 4096;

/// One side's view of both bells.
#[derive(Debug)]
pub(super) enum Bell {
    /// An eventfd for each side, between processes that do not wish each other ill: who shares a description can make the
    /// other's calls on it block.
    Events {
        /// Rung by the peer.
        ours: Arc<OwnedFd>,
        /// Rung by us.
        theirs: OwnedFd,
    },
    /// The socket over which the two met: each side has a description of its own, and a byte is a ring.
    Socket(Arc<OwnedFd>),
}

impl Bell {
    /// The eventfds of a connection: the listening side's and the connecting side's; none between sides that are hostile.
    pub(super) fn make(trust: Trust) -> rustix::io::Result<Option<[OwnedFd; 2]>> {
        if trust == Trust::Hostile {
            return Ok(None);
        }
        let fresh = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        Ok(Some([fresh()?, fresh()?]))
    }

    /// Whether this is an eventfd that does not block, as far as can be told.
    pub(super) fn is_event(fd: &OwnedFd) -> bool {
        let kind = rustix::fs::readlinkat(
            rustix::fs::CWD,
            format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd)),
            Vec::new(),
        );
        let is_event = kind.is_ok_and(|kind| kind.as_bytes() == b"anon_inode:[eventfd]");
        is_event && fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK))
    }

    /// What to wait on for a ring of the peer's.
    pub(super) fn fd(&self) -> &Arc<OwnedFd> {
        match self {
            Bell::Events { ours, .. } => ours,
            Bell::Socket(socket) => socket,
        }
    }

    /// Wakes the peer. A bell that is full has been rung; one that nobody hears is told of by the socket's end.
    pub(super) fn ring(&self) {
        let _ = match self {
            Bell::Events { theirs, .. } => write(theirs, &1_u64.to_ne_bytes()),
            Bell::Socket(socket) => send(&**socket, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
        };
    }

    /// Takes the peer's rings off; how many there were.
    pub(super) fn clear(&self) -> u64 {
        match self {
            Bell::Events { ours, .. } => {
                let mut rings = [0; 8];
                // Whoever shares the description can make it block: the flag says for this call that it must not.
                let into = &mut [IoSliceMut::new(&mut rings)];
                let taken = match preadv2(&**ours, into, u64::MAX, ReadWriteFlags::NOWAIT) {
                    Err(Errno::OPNOTSUPP | Errno::NOSYS) => read(&**ours, &mut rings),
                    taken => taken,
                };
                taken.map_or(0, |_| u64::from_ne_bytes(rings))
            }
            Bell::Socket(socket) => {
                let mut rings = [0; RINGS];
                let taken =
                    rustix::io::retry_on_intr(|| recv(&**socket, &mut rings[..], RecvFlags::DONTWAIT));
                // At its end the socket stays readable; that is told by the link's life.
                taken.map_or(0, |(rings, _)| rings as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fcntl_setfl;

    fn events() -> (Bell, Bell) {
        let [a, b] = Bell::make(Trust::SameUser).unwrap().unwrap();
        let copy = |fd: &OwnedFd| fd.try_clone().unwrap();
        let there = Bell::Events { ours: Arc::new(copy(&b)), theirs: copy(&a) };
        (Bell::Events { ours: Arc::new(a), theirs: b }, there)
    }

    fn sockets() -> (Bell, Bell) {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        (Bell::Socket(Arc::new(a.into())), Bell::Socket(Arc::new(b.into())))
    }

    #[test]
    fn each_ring_is_counted_once() {
        for (here, there) in [events(), sockets()] {
            assert_eq!(here.clear(), 0);
            for _ in 0..3 {
                there.ring();
            }
            assert_eq!((here.clear(), here.clear(), there.clear()), (3, 0, 0));
            here.ring();
            assert_eq!(there.clear(), 1);
        }
    }

    #[test]
    fn r11_a_bell_that_a_peer_has_made_blocking_does_not_block() {
        for (here, there) in [events(), sockets()] {
            fcntl_setfl(&**there.fd(), OFlags::empty()).unwrap();
            fcntl_setfl(&**here.fd(), OFlags::empty()).unwrap();
            assert_eq!((here.clear(), there.clear()), (0, 0));
        }
    }

    #[test]
    fn r11_a_bell_that_nobody_hears_can_be_rung_without_end() {
        let (here, there) = sockets();
        for _ in 0..100_000 {
            here.ring();
        }
        assert!(there.clear() > 0);
        drop(there);
        here.ring();
        assert_eq!(here.clear(), 0);
    }
}
