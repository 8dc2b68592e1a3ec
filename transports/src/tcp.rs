//! `tcp://host:port`: TCP, on this machine unless plaintext is allowed.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::transport::{ByteStream, Capabilities, Framed, Link, Listener, Peer, Readiness};
use farcall_core::{Code, Error, Fate};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg, sockopt};

use crate::query::Query;
use crate::scheme::Scheme;
use crate::url::Url;

mod listener;
mod route;

use route::Route;

/// Silence after which the kernel asks an idle peer whether it is there, the pause between questions, and their number.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(20), Duration::from_secs(5), 4);

pub(crate) struct Tcp;

impl Scheme for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let addresses = addresses(url, query)?;
        if url.port() == Some(0) {
            return Err(url.refuse("port 0 is for serving; name the port that the server has got"));
        }
        let (socket, route) = Route::begin(url, addresses)?;
        Ok(Box::new(Framed::connecting(TcpStream::on_its_way(socket, route))))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let addresses = addresses(url, query)?;
        Ok(Box::new(listener::TcpListener::new(url, &addresses)?))
    }

    fn may_block(&self, url: &Url) -> bool {
        url.host().is_some_and(|host| literal(host).is_empty())
    }
}

/// Where the URL leads, all of it checked: off this machine only if the URL says that plaintext is allowed.
fn addresses(url: &Url, query: &mut Query) -> Result<Vec<SocketAddr>, Error> {
    let is_plaintext_allowed = query.take_choice("plaintext", &[("allow", true), ("refuse", false)])?;
    query.finish()?;
    if !url.path().as_os_str().is_empty() && url.path().as_os_str() != "/" {
        return Err(url.refuse("nothing belongs behind the port; write tcp://host:port"));
    }
    let (Some(host), Some(port)) = (url.host(), url.port()) else {
        return Err(
            url.refuse("host or port is missing; write tcp://host:port, such as tcp://127.0.0.1:4000")
        );
    };
    let mut ips = literal(host);
    if ips.is_empty() {
        ips = look_up(url, host)?;
    }
    let stranger = ips.iter().find(|ip| !ip.to_canonical().is_loopback());
    if let (Some(ip), false) = (stranger, is_plaintext_allowed.unwrap_or(false)) {
        return Err(url.refuse(format!(
            "{ip} is not on this machine's loopback, and TCP is neither encrypted nor authenticated; \
             add ?plaintext=allow if everybody on the way may read and change the calls"
        )));
    }
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// The addresses that are known without asking anybody.
fn literal(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    host.parse().into_iter().collect()
}

fn look_up(url: &Url, host: &str) -> Result<Vec<IpAddr>, Error> {
    let unknown = |why: String| {
        let message =
            format!("{url}: the host `{host}` is not known ({why}); correct it or give its address");
        Error::new(Code::Unavailable, Fate::NotSent, message)
    };
    let found = (host, 0).to_socket_addrs().map_err(|error| unknown(error.to_string()).with_source(error))?;
    let mut ips: Vec<IpAddr> = Vec::new();
    for address in found {
        if !ips.contains(&address.ip()) {
            ips.push(address.ip());
        }
    }
    if ips.is_empty() { Err(unknown("it has no address".into())) } else { Ok(ips) }
}

fn set_up(socket: &OwnedFd) -> rustix::io::Result<()> {
    let (idle, pause, count) = KEEPALIVE;
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, idle)?;
    sockopt::set_tcp_keepintvl(socket, pause)?;
    sockopt::set_tcp_keepcnt(socket, count)
}

/// A TCP connection, or one that is being made.
#[derive(Debug)]
struct TcpStream {
    socket: Arc<OwnedFd>,
    peer: Peer,
    /// Present until the first byte has passed.
    route: Option<Box<Route>>,
}

impl TcpStream {
    fn on_its_way(socket: OwnedFd, route: Route) -> Self {
        let mut peer = Peer::on("tcp");
        peer.address = route.target().map(|address| address.to_string());
        TcpStream { socket: Arc::new(socket), peer, route: Some(Box::new(route)) }
    }

    fn accepted(socket: OwnedFd, from: Option<SocketAddr>) -> Self {
        let mut peer = Peer::on("tcp");
        peer.address = from.map(|address| address.to_string());
        TcpStream { socket: Arc::new(socket), peer, route: None }
    }

    /// While the connection is made, an error means that the next address is tried; success, that one has been reached.
    fn judge(&mut self, answer: rustix::io::Result<usize>) -> io::Result<usize> {
        let Some(route) = &mut self.route else {
            return Ok(answer?);
        };
        match answer.map_err(io::Error::from) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Err(error)
            }
            Err(error) => {
                route.go_on(&self.socket, error)?;
                self.peer.address = route.target().map(|address| address.to_string());
                Err(ErrorKind::WouldBlock.into())
            }
            Ok(count) => {
                route.arrive(&self.socket)?;
                self.route = None;
                Ok(count)
            }
        }
    }
}

impl ByteStream for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let answer = recv(&*self.socket, buf, RecvFlags::DONTWAIT).map(|(read, _)| read);
        self.judge(answer)
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let answer = match bufs {
            [only] => send(&*self.socket, only, flags),
            _ => sendmsg(&*self.socket, bufs, &mut SendAncillaryBuffer::default(), flags),
        };
        self.judge(answer)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.socket.clone(), write: self.socket.clone() }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.needs_ping = true;
        capabilities
    }

    fn peer(&self) -> Peer {
        self.peer.clone()
    }
}
