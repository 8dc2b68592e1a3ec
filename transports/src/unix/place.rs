//! Where Unix sockets are met: paths and abstract names, how they are reached, and whom they let in.

use std::fmt::Display;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use farcall_core::{Code, Error};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat, stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::refusal::refused;
use crate::sys::peer::Credentials;
use crate::url::Url;

/// Bytes of a path that fit into a socket address with their terminating zero.
const LONGEST_PATH: usize = 107;

/// Where a socket is met.
#[derive(Debug)]
pub(crate) enum Place {
    /// An absolute path.
    Path(PathBuf),
    /// A name that the kernel keeps, without its `@`.
    Abstract(Vec<u8>),
}

impl Place {
    pub(crate) fn of(url: &Url) -> Result<Place, Error> {
        url.without_host()?;
        let path = url.path();
        let bytes = path.as_os_str().as_bytes();
        if let Some(name) = bytes.strip_prefix(b"@") {
            if name.is_empty() || name.len() > LONGEST_PATH {
                return Err(url.refuse(format!(
                    "an abstract name has 1 to {LONGEST_PATH} bytes; write for example unix:@calculator"
                )));
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
                "write where the socket is: {0}:/… for an absolute path, {0}:./{1} for one from the working directory",
                url.scheme(),
                path.display()
            ))),
            _ => Err(url.refuse(format!(
                "the path names no file; write for example {}:/run/calculator.sock",
                url.scheme()
            ))),
        }
    }

    pub(crate) fn address(&self) -> rustix::io::Result<Address> {
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

    pub(crate) fn text(&self) -> String {
        match self {
            Place::Path(path) => path.display().to_string(),
            Place::Abstract(name) => format!("@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// An address, and the directory by whose number a long path is shortened.
pub(crate) struct Address {
    pub(crate) address: SocketAddrUnix,
    _directory: Option<OwnedFd>,
}

pub(crate) fn socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Connecting to a Unix socket is done at once or not at all.
pub(crate) fn connect_retrying(socket: &OwnedFd, address: &SocketAddrUnix) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| connect(socket, address))
}

/// The policy for peers: the same user, or root.
pub(crate) fn is_trusted(who: Credentials) -> bool {
    who.uid == 0 || who.uid == rustix::process::geteuid().as_raw()
}

/// Why nobody is reached at a place that `url` names.
pub(crate) fn explain(url: impl Display, place: &Place, errno: Errno) -> Error {
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
