//! The listening side's answer, and what watches over whoever was answered.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use farcall_core::Trust;
use farcall_core::wire::rendezvous::Grant;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// The most descriptors that belong to a grant: the memory and two bells.
const MOST: usize = 3;

/// At its end a process closes its sockets a moment before it counts as ended. This is how long the last question to a link
/// waits, so that it can tell the one from the other.
const END_AFTER_SOCKET: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Sends the grant in one piece with its descriptors, or not at all.
///
/// # Errors
/// The caller has left.
pub(crate) fn say(socket: &OwnedFd, grant: &Grant, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = grant.encode();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
        assert!(fits, "a grant has three descriptors at most");
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags))?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// A descriptor that is readable when either says that the peer is gone. A process that calls exec(2) closes the socket and
/// lives; of one that has died a child may hold the socket.
///
/// # Errors
/// Descriptors or memory have run out.
pub(crate) fn watch_life(socket: &OwnedFd, process: Option<&OwnedFd>) -> rustix::io::Result<OwnedFd> {
    let life = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64(0);
    // Its end only: at a hostile peer's, bytes are rings.
    epoll::add(&life, socket.as_fd(), data, epoll::EventFlags::RDHUP)?;
    if let Some(process) = process {
        epoll::add(&life, process, data, epoll::EventFlags::IN)?;
    }
    Ok(life)
}

/// Whether `process` has ended, now that [its life](watch_life) is over; `false`: it has let go of the socket, or nothing is
/// known of it. A hostile peer is not waited for.
pub(crate) fn has_ended(process: Option<&OwnedFd>, trust: Trust) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let time = if trust == Trust::Hostile { at_once } else { END_AFTER_SOCKET };
    process.is_some_and(|process| {
        poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&time)).is_ok_and(|ready| ready > 0)
    })
}
