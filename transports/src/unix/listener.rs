//! Listening on a Unix socket, and the policy of whom to let in.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use farcall_core::transport::{Framed, Link, Listener, Readiness};
use farcall_core::{Code, Error};
use rustix::io::Errno;
use rustix::net::{bind, listen};

use super::UnixStream;
use super::claim::Claim;
use super::place::{Place, is_trusted, socket};
use crate::arrivals::{Arrivals, BACKLOG};
use crate::refusal::refused;
use crate::sys::peer::credentials;
use crate::url::{Url, encode_path};

pub(super) struct UnixListener {
    /// Before the arrivals, so that the path is gone before the socket is.
    _claim: Option<Claim>,
    arrivals: Arrivals,
    address: String,
    url: String,
}

impl UnixListener {
    pub(super) fn new(url: &Url, place: &Place) -> Result<Self, Error> {
        let (claim, socket) = occupy(url, place)?;
        let name = match place {
            Place::Path(path) => path.as_os_str().as_encoded_bytes().to_vec(),
            Place::Abstract(name) => [b"@", &name[..]].concat(),
        };
        let url = format!("unix:{}", encode_path(&name));
        Ok(UnixListener { _claim: claim, arrivals: Arrivals::new(socket), address: place.text(), url })
    }
}

/// A socket that listens at a place, and the claim to it if that is a path. The claim is to be dropped before the socket, so
/// that the path is gone before the socket is.
pub(crate) fn occupy(url: &Url, place: &Place) -> Result<(Option<Claim>, OwnedFd), Error> {
    let socket = socket().map_err(|errno| refused(url, "making a socket", errno, &[]))?;
    let claim = match place {
        Place::Path(path) => {
            let mut claim = Claim::take(url, path)?;
            claim.bind(url, place, &socket)?;
            Some(claim)
        }
        Place::Abstract(_) => {
            bind_abstract(url, place, &socket)?;
            None
        }
    };
    listen(&socket, BACKLOG).map_err(|errno| refused(url, "listening", errno, &[]))?;
    Ok((claim, socket))
}

fn bind_abstract(url: &Url, place: &Place, socket: &OwnedFd) -> Result<(), Error> {
    let known = [(
        Errno::ADDRINUSE,
        Code::Unavailable,
        "it is already served; end that server or choose another name",
    )];
    place
        .address()
        .and_then(|address| bind(socket, &address.address))
        .map_err(|errno| refused(url, "binding", errno, &known))
}

impl Listener for UnixListener {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        loop {
            let (socket, _) = self.arrivals.next()?;
            // Others are dropped without a word: they learn only that somebody is here.
            if let Ok(who) = credentials(socket.as_fd())
                && is_trusted(who)
            {
                return Ok(Box::new(Framed::accepted(UnixStream::new(socket, who, self.address.clone()))));
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
