//! Connecting without waiting: one address after the other on one socket, whose descriptor never changes.
//!
//! The descriptor may stand in an epoll set already, so another address is tried on the same socket: Linux lets a socket
//! whose connection failed connect again. If there are addresses of both families it is an IPv6 socket, which reaches IPv4
//! too. But once it has tried to, it sends everything by IPv4: so those come last.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use farcall_core::Error;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, connect, getpeername, getsockname, socket_with, sockopt,
};

use crate::refusal::refused;
use crate::sys::option::set_tcp_connect_retries;
use crate::url::Url;

/// How often one of several addresses is asked again: 15 seconds, where a single one has the system's two minutes.
const RETRIES: u8 = 3;

/// The addresses that are left, and the one that is being tried.
#[derive(Debug)]
pub(super) struct Route {
    is_mapped: bool,
    target: Option<SocketAddr>,
    left: std::vec::IntoIter<SocketAddr>,
}

impl Route {
    /// Sets out for the first address.
    pub(super) fn begin(url: &Url, mut addresses: Vec<SocketAddr>) -> Result<(OwnedFd, Route), Error> {
        let os = |errno: Errno| refused(url, "making a socket", errno, &[]);
        let has_v6 = addresses.iter().any(SocketAddr::is_ipv6);
        let (socket, is_mapped) = match has_v6.then(|| socket(AddressFamily::INET6)) {
            Some(Ok(socket)) => {
                sockopt::set_ipv6_v6only(&socket, false).map_err(os)?;
                (socket, true)
            }
            // A machine without IPv6 has only the others.
            Some(Err(Errno::AFNOSUPPORT)) if addresses.iter().any(SocketAddr::is_ipv4) => {
                addresses.retain(SocketAddr::is_ipv4);
                (socket(AddressFamily::INET).map_err(os)?, false)
            }
            Some(Err(errno)) => return Err(os(errno)),
            None => (socket(AddressFamily::INET).map_err(os)?, false),
        };
        super::set_up(&socket).map_err(os)?;
        if addresses.len() > 1 {
            // Without it, the next address is tried later.
            let _ = set_tcp_connect_retries(socket.as_fd(), RETRIES);
        }
        addresses.sort_by_key(SocketAddr::is_ipv4);
        let mut route = Route { is_mapped, target: None, left: addresses.into_iter() };
        // A refusal that is known at once is an error like a later one, but it comes as one of this call.
        if let Err(error) = route.go_on(&socket, ErrorKind::NotFound.into()) {
            let message = error.to_string();
            let refusal = Error::new(farcall_core::Code::Unavailable, farcall_core::Fate::NotSent, message);
            return Err(refusal.with_source(error));
        }
        Ok((socket, route))
    }

    /// The address that is being tried.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// Sets out for the next address, after the last has failed with `error`.
    ///
    /// # Errors
    /// No address is left: `error` in a sentence.
    pub(super) fn go_on(&mut self, socket: &OwnedFd, mut error: io::Error) -> io::Result<()> {
        for address in self.left.by_ref() {
            self.target = Some(address);
            let mapped = if self.is_mapped { map(address) } else { address };
            match connect_again(socket, &mapped) {
                Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => return Ok(()),
                Err(errno) => error = errno.into(),
            }
        }
        Err(self.explain(&error))
    }

    /// The first byte has passed: is it somebody else that has answered?
    ///
    /// # Errors
    /// A socket in the range of ports that the system hands out can, where nobody listens, connect to itself.
    pub(super) fn arrive(&self, socket: &OwnedFd) -> io::Result<()> {
        let here = getsockname(socket)?;
        match getpeername(socket) {
            Ok(Some(there)) if there == here => Err(self.explain(&ErrorKind::ConnectionRefused.into())),
            _ => Ok(()),
        }
    }

    fn explain(&self, error: &io::Error) -> io::Error {
        let why: String = match error.kind() {
            ErrorKind::ConnectionRefused => {
                "nobody listens on this port; start the server or correct the port".into()
            }
            ErrorKind::TimedOut => {
                "the host does not answer; check that it is up and that no firewall is between".into()
            }
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                "there is no way to this host; check address and network".into()
            }
            ErrorKind::AddrNotAvailable => "no local port is free; close some connections".into(),
            _ => format!("connecting failed: {error}"),
        };
        io::Error::new(error.kind(), why)
    }
}

fn socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// The error of the last attempt may still be stored in the socket, and is then the answer to the first call.
fn connect_again(socket: &OwnedFd, address: &SocketAddr) -> rustix::io::Result<()> {
    match connect(socket, address) {
        Err(Errno::CONNABORTED) => connect(socket, address),
        answer => answer,
    }
}

fn map(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
