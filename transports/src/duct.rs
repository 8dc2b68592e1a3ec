//! Pipes and inherited descriptors as a byte stream: for each, once, the manner in which it never blocks is chosen.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use farcall_core::transport::{ByteStream, Peer, Readiness};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, fstatfs, open};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2, read, write, writev};
use rustix::net::sockopt::socket_type;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, recv, send, sendmsg};

use crate::sys::probe::{NOSIGNAL, can_nosignal, can_nowait, may_reopen};
use crate::sys::sigpipe;

/// The offset that means "no offset": a pipe has none.
const HERE: u64 = u64::MAX;

/// What `statfs` calls the file system of anonymous pipes.
const PIPEFS_MAGIC: u64 = 0x5049_5045;

/// Capacity that is asked of a pipe, in bytes; less is granted where the user's share is used up.
const CAPACITY: usize = 1024 * 1024;

/// One descriptor and the manner in which it is used without blocking.
#[derive(Clone, Debug)]
pub(crate) struct Duct {
    fd: Arc<OwnedFd>,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Each call says that it does not block.
    Socket,
    /// The description is ours alone and does not block.
    Private,
    /// The same in a program that ignored `SIGPIPE` when the connection was made: a plain `write` costs less than one that
    /// says that it raises no signal.
    Quiet,
    /// A pipe whose description others may share: each call says that it does not block.
    Shared,
}

impl Manner {
    fn private() -> Self {
        if sigpipe::is_ignored() { Manner::Quiet } else { Manner::Private }
    }
}

/// Which way bytes go through a descriptor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    In,
    Out,
}

impl Duct {
    /// An end of a pipe that this process has made and nobody shares.
    pub(crate) fn private(end: OwnedFd) -> io::Result<Duct> {
        let _ = rustix::pipe::fcntl_setpipe_size(&end, CAPACITY);
        fcntl_setfl(&end, fcntl_getfl(&end)? | OFlags::NONBLOCK)?;
        Ok(Duct { fd: Arc::new(end), manner: Manner::private() })
    }

    /// A descriptor that came from elsewhere, so that others may use its description at the same time.
    ///
    /// # Errors
    /// A sentence, if it is neither pipe nor connected stream socket, does not go `way`, or cannot be used without blocking.
    pub(crate) fn foreign(fd: OwnedFd, way: Way) -> Result<Duct, String> {
        let number = fd.as_raw_fd();
        let unusable = |error| format!("descriptor {number} cannot be used: {error}");
        match FileType::from_raw_mode(fstat(&fd).map_err(unusable)?.st_mode) {
            FileType::Socket if socket_type(&fd).map_err(unusable)? == SocketType::STREAM => {
                Ok(Duct { fd: Arc::new(fd), manner: Manner::Socket })
            }
            FileType::Fifo => {
                let mode = fcntl_getfl(&fd).map_err(unusable)? & OFlags::RWMODE;
                if mode == (if way == Way::In { OFlags::WRONLY } else { OFlags::RDONLY }) {
                    let end = if way == Way::In { "read" } else { "write" };
                    return Err(format!("descriptor {number} is not the {end} end of its pipe"));
                }
                Duct::foreign_pipe(fd, way)
            }
            _ => Err(format!(
                "descriptor {number} is neither a pipe nor a stream socket; start this program with pipes (exec:)"
            )),
        }
    }

    fn foreign_pipe(fd: OwnedFd, way: Way) -> Result<Duct, String> {
        let _ = rustix::pipe::fcntl_setpipe_size(&fd, CAPACITY);
        // Opened anew, the pipe is the same and the description is ours: `read` costs less than `preadv2` with a flag.
        let access = if way == Way::In { OFlags::RDONLY } else { OFlags::WRONLY };
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let failed = match if may_reopen() { open(path, flags, Mode::empty()) } else { Err(Errno::NOSYS) } {
            Ok(own) => return Ok(Duct { fd: Arc::new(own), manner: Manner::private() }),
            Err(error) => error,
        };
        let is_anonymous = fstatfs(&fd).is_ok_and(|fs| fs.f_type as u64 == PIPEFS_MAGIC);
        // Only what `pipe(2)` gave knows NOWAIT; what was opened by a path (`/dev/stdout`, `/dev/fd/3`) has this flag.
        let was_opened = fcntl_getfl(&fd).is_ok_and(|flags| flags.intersects(OFlags::LARGEFILE));
        if is_anonymous && !was_opened && can_nowait() {
            return Ok(Duct { fd: Arc::new(fd), manner: Manner::Shared });
        }
        Err(format!(
            "descriptor {} is a pipe that others may share, and this kernel cannot use it without blocking \
             (opening it anew failed: {failed}); use unix: instead",
            fd.as_raw_fd()
        ))
    }

    /// What to poll.
    #[cfg(feature = "fifo")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    pub(crate) fn read(&self, buf: &mut [u8]) -> rustix::io::Result<usize> {
        match self.manner {
            Manner::Socket => recv(&*self.fd, buf, RecvFlags::DONTWAIT).map(|(count, _)| count),
            Manner::Private | Manner::Quiet => read(&*self.fd, buf),
            Manner::Shared => preadv2(&*self.fd, &mut [IoSliceMut::new(buf)], HERE, ReadWriteFlags::NOWAIT),
        }
    }

    pub(crate) fn write(&self, bufs: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
        let flags = match self.manner {
            Manner::Socket => return send_slices(&self.fd, bufs),
            Manner::Quiet => return write_slices(&self.fd, bufs),
            Manner::Private => ReadWriteFlags::empty(),
            Manner::Shared => ReadWriteFlags::NOWAIT,
        };
        if can_nosignal() {
            pwritev2(&*self.fd, bufs, HERE, flags | NOSIGNAL)
        } else if flags.is_empty() {
            sigpipe::shielded(|| writev(&*self.fd, bufs))
        } else {
            sigpipe::shielded(|| pwritev2(&*self.fd, bufs, HERE, flags))
        }
    }
}

fn write_slices(fd: &OwnedFd, bufs: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match bufs {
        [only] => write(fd, only),
        _ => writev(fd, bufs),
    }
}

fn send_slices(fd: &OwnedFd, bufs: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match bufs {
        [only] => send(fd, only, flags),
        _ => sendmsg(fd, bufs, &mut SendAncillaryBuffer::default(), flags),
    }
}

/// A pair of ducts, as one stream.
#[derive(Debug)]
pub(crate) struct DuctStream {
    pub(crate) source: Duct,
    pub(crate) sink: Duct,
    pub(crate) peer: Peer,
    pub(crate) life: Option<Arc<OwnedFd>>,
}

impl DuctStream {
    /// Takes two foreign descriptors, or one socket for both ways.
    pub(crate) fn foreign(read: OwnedFd, write: Option<OwnedFd>, peer: Peer) -> Result<Self, String> {
        let source = Duct::foreign(read, Way::In)?;
        let sink = match write {
            Some(write) => Duct::foreign(write, Way::Out)?,
            None if source.manner == Manner::Socket => source.clone(),
            None => {
                let number = source.fd.as_fd().as_raw_fd();
                return Err(format!("descriptor {number} is a pipe, which goes one way; name two"));
            }
        };
        Ok(DuctStream { source, sink, peer, life: None })
    }
}

impl ByteStream for DuctStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.source.read(buf)?)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.sink.write(bufs)?)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.source.fd.clone(), write: self.sink.fd.clone() }
    }

    fn life(&self) -> Option<Arc<OwnedFd>> {
        self.life.clone()
    }

    fn peer(&self) -> Peer {
        self.peer.clone()
    }
}
