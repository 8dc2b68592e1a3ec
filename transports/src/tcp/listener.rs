//! Listening on TCP.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use farcall_core::transport::{Framed, Link, Listener, Readiness};
use farcall_core::{Code, Error};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

use super::TcpStream;
use crate::arrivals::{Arrivals, BACKLOG};
use crate::refusal::refused;
use crate::url::Url;

pub(super) struct TcpListener {
    arrivals: Arrivals,
    url: String,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be had.
    pub(super) fn new(url: &Url, addresses: &[SocketAddr]) -> Result<Self, Error> {
        let mut failed = Errno::ADDRNOTAVAIL;
        for address in addresses {
            match open(address) {
                Ok((socket, local)) => {
                    return Ok(TcpListener {
                        arrivals: Arrivals::new(socket),
                        url: format!("tcp://{local}"),
                    });
                }
                Err(errno) => failed = errno,
            }
        }
        Err(refused(url, "listening", failed, &NOT_BOUND))
    }
}

#[rustfmt::skip]
const NOT_BOUND: [(Errno, Code, &str); 4] = [
    (Errno::ADDRINUSE, Code::Unavailable, "the port is in use; end whoever uses it, or write port 0 to be given a free one"),
    (Errno::ADDRNOTAVAIL, Code::InvalidConfig, "this machine has no such address; correct it"),
    (Errno::AFNOSUPPORT, Code::Unsupported, "this machine has no addresses of this kind; use an IPv4 address"),
    (Errno::ACCESS, Code::PermissionDenied, "this port may be served by root only; choose one from 1024 on"),
];

fn open(address: &SocketAddr) -> rustix::io::Result<(OwnedFd, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, address)?;
    listen(&socket, BACKLOG)?;
    let local = SocketAddr::try_from(getsockname(&socket)?).map_err(|_| Errno::INVAL)?;
    Ok((socket, local))
}

impl Listener for TcpListener {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        loop {
            let (socket, from) = self.arrivals.next()?;
            // A connection that is gone before it is set up is not worth a word.
            if super::set_up(&socket).is_ok() {
                let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                return Ok(Box::new(Framed::accepted(TcpStream::accepted(socket, from))));
            }
        }
    }

    fn readiness(&self) -> Readiness {
        self.arrivals.readiness()
    }

    fn local_url(&self) -> String {
        self.url.clone()
    }
}
