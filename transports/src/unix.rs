//! `unix:/path` and `unix:@name`: Unix stream sockets.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use farcall_core::transport::{ByteStream, Capabilities, Framed, Link, Listener, Peer, Readiness};
use farcall_core::{Code, Error};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, stat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    connect, recv, send, sendmsg, socket_with,
};

use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::sys::peer::{Credentials, credentials};
use crate::sys::pidfd::{self, Speaker};
use crate::url::Url;

mod claim;
mod listener;

/// Reads for which the peer's pidfd is asked. It comes with the first, unless descriptors have run out just then.
const ASKED_READS: u8 = 16;

/// Bytes of a path that fit into a socket address with their terminating zero.
const LONGEST_PATH: usize = 107;

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

/// Where a socket is met.
#[derive(Debug)]
enum Place {
    /// An absolute path.
    Path(PathBuf),
    /// A name that the kernel keeps, without its `@`.
    Abstract(Vec<u8>),
}

impl Place {
    fn of(url: &Url) -> Result<Place, Error> {
        url.without_host()?;
        let path = url.path();
        let bytes = path.as_os_str().as_bytes();
        if let Some(name) = bytes.strip_prefix(b"@") {
            if name.is_empty() || name.len() > LONGEST_PATH {
                return Err(url.refuse(format!("an abstract name has 1 to {LONGEST_PATH} bytes")));
            }
            return Ok(Place::Abstract(name.to_vec()));
        }
        let is_file = path.file_name().is_some() && !bytes.ends_with(b"/");
        match path.components().next() {
            Some(Component::RootDir) if is_file => Ok(Place::Path(path.to_owned())),
            // Made absolute at once, so that a later change of directory changes nothing.
            Some(Component::CurDir | Component::ParentDir) if is_file => match std::path::absolute(path) {
                Ok(path) => Ok(Place::Path(path)),
                Err(error) => Err(refused(url, "finding the working directory", error, &[])),
            },
            _ if is_file => Err(url.refuse(format!(
                "write where the socket is: unix:/… for an absolute path, unix:./{} for one from the working directory",
                path.display()
            ))),
            _ => Err(url.refuse("the path names no file; write for example unix:/run/calculator.sock")),
        }
    }

    fn address(&self) -> rustix::io::Result<Address> {
        match self {
            Place::Abstract(name) => {
                Ok(Address { address: SocketAddrUnix::new_abstract_name(name)?, _directory: None })
            }
            Place::Path(path) if path.as_os_str().len() <= LONGEST_PATH => {
                Ok(Address { address: SocketAddrUnix::new(path.as_path())?, _directory: None })
            }
            Place::Path(path) => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let directory = openat(CWD, parent, flags, Mode::empty())?;
                let mut short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
                short.extend(path.file_name());
                Ok(Address { address: SocketAddrUnix::new(short)?, _directory: Some(directory) })
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Place::Path(path) => path.display().to_string(),
            Place::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// An address, and the directory by whose number a long path is shortened.
struct Address {
    address: SocketAddrUnix,
    _directory: Option<OwnedFd>,
}

fn socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Connecting to a Unix socket is done at once or not at all.
fn connect_retrying(socket: &OwnedFd, address: &SocketAddrUnix) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| connect(socket, address))
}

/// The policy for peers: the same user, or root.
fn is_trusted(who: Credentials) -> bool {
    who.uid == 0 || who.uid == rustix::process::geteuid().as_raw()
}

fn explain(url: &Url, place: &Place, errno: Errno) -> Error {
    let refusal = match place {
        Place::Abstract(_) => (Code::Unavailable, "nobody serves this name; start the server"),
        Place::Path(path) => match stat(path) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::Socket => {
                (Code::InvalidConfig, "what is there is not a socket; correct the path")
            }
            _ => (
                Code::Unavailable,
                "its server is gone and has left the socket file; start the server again, it takes the file over",
            ),
        },
    };
    #[rustfmt::skip]
    let known = [
        (Errno::CONNREFUSED, refusal.0, refusal.1),
        (Errno::NOENT, Code::Unavailable, "there is no such socket; start the server or correct the path"),
        (Errno::ACCESS, Code::PermissionDenied, "permission denied; a server's socket is open to its own user and root only"),
        (Errno::AGAIN, Code::Overloaded, "the server has too many connections waiting to be accepted; try again later"),
        (Errno::PROTOTYPE, Code::InvalidConfig, "the socket is not a stream socket; correct the path"),
    ];
    refused(url, "connecting", errno, &known)
}

/// A connected socket.
#[derive(Debug)]
struct UnixStream {
    socket: Arc<OwnedFd>,
    peer: Peer,
    life: Option<Arc<OwnedFd>>,
    /// Reads for which the peer's pidfd is still asked.
    asks: u8,
}

impl UnixStream {
    fn new(socket: OwnedFd, who: Credentials, address: String) -> Self {
        let asks = if pidfd::ask(socket.as_fd()) { ASKED_READS } else { 0 };
        let mut peer = Peer::on("unix");
        peer.address = Some(address);
        (peer.uid, peer.gid, peer.pid) = (Some(who.uid), Some(who.gid), who.pid);
        UnixStream { socket: Arc::new(socket), peer, life: None, asks }
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
