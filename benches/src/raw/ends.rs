//! The two ends of each raw wire.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, mkfifoat, open};

use crate::case::Wire;

/// What one process reads from and writes to: one socket twice, one end of each of two pipes, or two eventfds.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
}

/// A connected pair, with the kernel's default buffers; for shared memory the bells, which carry a count of eight bytes.
pub(crate) fn pair(wire: Wire) -> io::Result<(Ends, Ends)> {
    match wire {
        Wire::Pipe => {
            let (requests_out, requests_in) = io::pipe()?;
            let (replies_out, replies_in) = io::pipe()?;
            let ours = Ends { input: replies_out.into(), output: requests_in.into() };
            Ok((ours, Ends { input: requests_out.into(), output: replies_in.into() }))
        }
        Wire::Fifo => {
            let place = tempfile::tempdir()?;
            let (requests_out, requests_in) = fifo(&place.path().join("requests"))?;
            let (replies_out, replies_in) = fifo(&place.path().join("replies"))?;
            let ours = Ends { input: replies_out, output: requests_in };
            Ok((ours, Ends { input: requests_out, output: replies_in }))
        }
        Wire::Unix => {
            let (ours, theirs) = UnixStream::pair()?;
            Ok((both(ours.into())?, both(theirs.into())?))
        }
        Wire::Tcp => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let ours = TcpStream::connect(listener.local_addr()?)?;
            let (theirs, _) = listener.accept()?;
            ours.set_nodelay(true)?;
            theirs.set_nodelay(true)?;
            Ok((both(ours.into())?, both(theirs.into())?))
        }
        Wire::Shm => {
            let (requests, replies) = (bell()?, bell()?);
            let ours = Ends { input: replies.try_clone()?, output: requests.try_clone()? };
            Ok((ours, Ends { input: requests, output: replies }))
        }
        Wire::Exec
        | Wire::CacheLine
        | Wire::Posix
        | Wire::SystemV
        | Wire::Mmap
        | Wire::Mq
        | Wire::Mailbox => Err(io::Error::other(format!("`{}` has no raw ends of its own", wire.word()))),
    }
}

/// The ends of a new FIFO for reading and for writing.
fn fifo(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?;
    // Without waiting for somebody who writes.
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOATIME | OFlags::CLOEXEC;
    let output = open(path, how, Mode::empty())?;
    let input = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    fcntl_setfl(&output, fcntl_getfl(&output)?.difference(OFlags::NONBLOCK))?;
    Ok((output, input))
}

fn bell() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC)?)
}

fn both(socket: OwnedFd) -> io::Result<Ends> {
    Ok(Ends { input: socket.try_clone()?, output: socket })
}
