//! The connecting side of a rendezvous: finds the door, asks, and waits for the grant.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use farcall_core::limits::HANDSHAKE;
use farcall_core::wire::escaped;
use farcall_core::wire::rendezvous::{Answer, GRANT_SIZE, Grant, Request};
use farcall_core::{Code, Error, Fate, Time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::names::{Door, Doors, spelt_out};
use crate::refusal::refused;
use crate::sys::peer::{Credentials, credentials};
use crate::sys::pidfd::{self, Speaker};
use crate::unix::{Place, connect_retrying, explain, is_trusted, socket};
use crate::url::{Url, encode_path};
use crate::wait::now;

/// What a visit has brought.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) socket: OwnedFd,
    pub(crate) grant: Grant,
    /// As many as the grant says.
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) who: Credentials,
    /// The process that has answered.
    pub(crate) process: Option<Arc<OwnedFd>>,
    /// Where.
    pub(crate) address: String,
}

/// Asks whoever serves `url`. Blocks until the answer, for [`HANDSHAKE`] at most. `expected`: the descriptors that belong
/// to a grant.
///
/// # Errors
/// Nobody answers, not in time or not in these words; or the request is refused, for the reason that the other side gives.
pub(crate) fn visit(
    url: &Url,
    request: &Request,
    expected: impl FnOnce(&Grant) -> usize,
) -> Result<Granted, Error> {
    let until = now() + HANDSHAKE;
    let (socket, door) = enter(url)?;
    let who = credentials(socket.as_fd()).map_err(|error| refused(url, "asking who serves", error, &[]))?;
    if !is_trusted(who) {
        let text = format!("{url}: another user serves it; choose another name or path");
        return Err(Error::new(Code::PermissionDenied, Fate::NotSent, text));
    }
    // Before the first bytes of either side: see `sys::pidfd`.
    pidfd::ask_besides_descriptors(socket.as_fd());
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match send(&socket, &request.encode(), flags) {
        Ok(_) => {}
        Err(errno) => return Err(silent(url, &door, errno.into())),
    }
    let answer = receive(&socket, until).map_err(|fault| fault.explain(url, &door))?;
    pidfd::stop_asking(socket.as_fd());
    pidfd::refuse_descriptors(socket.as_fd());
    let Received { grant, descriptors, process } = answer;
    check(url, request, &grant, descriptors.len(), expected(&grant))?;
    Ok(Granted { socket, grant, descriptors, who, process, address: door.place.text() })
}

/// The first door behind which somebody answers.
fn enter(url: &Url) -> Result<(OwnedFd, Door), Error> {
    let doors = Doors::default();
    let (mut closed, mut absent) = (None, Vec::new());
    for door in doors.to_visit(url)? {
        let socket = socket().map_err(|errno| refused(url, "making a socket", errno, &[]))?;
        match door.place.address().and_then(|address| connect_retrying(&socket, &address.address)) {
            Ok(()) => return Ok((socket, door)),
            Err(Errno::NOENT) => absent.push(door),
            Err(errno) => {
                let url = spelt_out(url, std::slice::from_ref(&door));
                closed = Some(explain(url, &door.place, errno));
            }
        }
    }
    // A door that is not there says less than one that is.
    Err(closed.unwrap_or_else(|| {
        let sought = if absent.is_empty() { doors.sought(url) } else { absent };
        explain(spelt_out(url, &sought), &Place::Path("/".into()), Errno::NOENT)
    }))
}

fn silent(url: &Url, door: &Door, error: io::Error) -> Error {
    let place = encode_path(door.place.text().as_bytes());
    let text = format!(
        "{url}: whoever serves there closed the connection without an answer; if it is a unix: server, connect with \
         unix:{place}"
    );
    Error::new(Code::Unavailable, Fate::NotSent, text).with_source(error)
}

/// Whether the grant is one for this request.
fn check(url: &Url, request: &Request, grant: &Grant, passed: usize, expected: usize) -> Result<(), Error> {
    let wrong = |what: String| {
        Err(Error::new(
            Code::ProtocolViolation,
            Fate::NotSent,
            format!("{url}: the server's grant is refused: {what}"),
        ))
    };
    if grant.nonce != request.nonce {
        return wrong("it answers another request".to_owned());
    }
    if let Answer::Refused(code) = grant.answer {
        let text = format!("{url}: the server says: {}", escaped(&grant.reason));
        return Err(Error::new(code, Fate::NotSent, text));
    }
    if grant.trust < request.trust {
        return wrong("it trusts more than was asked for".to_owned());
    }
    if passed != expected {
        return wrong(format!("{passed} descriptors came with it where {expected} belong to it"));
    }
    Ok(())
}

struct Received {
    grant: Grant,
    descriptors: Vec<OwnedFd>,
    process: Option<Arc<OwnedFd>>,
}

/// Why there is no grant.
enum Fault {
    Late,
    Closed(io::Error),
    Strange(String),
    /// Descriptors were lost.
    Cut,
}

impl Fault {
    fn explain(self, url: &Url, door: &Door) -> Error {
        match self {
            Fault::Late => {
                let text =
                    format!("{url}: no answer within {HANDSHAKE:?}; is a Farcall server running there?");
                Error::new(Code::Unavailable, Fate::NotSent, text)
            }
            Fault::Closed(error) => silent(url, door, error),
            Fault::Strange(what) => {
                let text = format!("{url}: the answer is not understood: {what}");
                Error::new(Code::ProtocolViolation, Fate::NotSent, text)
            }
            // The one honest reason for a loss.
            Fault::Cut if has_no_descriptors() => refused(url, "taking the memory", Errno::MFILE, &[]),
            Fault::Cut => {
                let text = format!("{url}: the server passed more descriptors than belong to any grant");
                Error::new(Code::ProtocolViolation, Fate::NotSent, text)
            }
        }
    }
}

fn has_no_descriptors() -> bool {
    matches!(socket(), Err(Errno::MFILE | Errno::NFILE))
}

fn receive(socket: &OwnedFd, until: Time) -> Result<Received, Fault> {
    let mut head = [0; GRANT_SIZE];
    let (mut have, mut descriptors, mut process) = (0, Vec::new(), None);
    while have < head.len() {
        wait(socket, until)?;
        let parcel = match pidfd::receive_parcel(socket.as_fd(), &mut head[have..]) {
            Ok(parcel) => parcel,
            Err(error) if is_nothing(&error) => continue,
            Err(error) => return Err(Fault::Closed(error)),
        };
        descriptors.extend(parcel.descriptors);
        if let Speaker::Known(known) = parcel.speaker {
            process = Some(known);
        }
        match parcel.read {
            0 => return Err(Fault::Closed(io::ErrorKind::UnexpectedEof.into())),
            read => have += read,
        }
        if parcel.is_cut {
            return Err(Fault::Cut);
        }
    }
    let (mut grant, text) =
        Grant::decode(&head).map_err(|malformed| Fault::Strange(malformed.to_string()))?;
    let mut reason = vec![0; text];
    let mut have = 0;
    while have < reason.len() {
        wait(socket, until)?;
        match recv(socket, &mut reason[have..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(Fault::Closed(io::ErrorKind::UnexpectedEof.into())),
            Ok((read, _)) => have += read,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(Fault::Closed(errno.into())),
        }
    }
    grant.reason = String::from_utf8_lossy(&reason).into_owned();
    Ok(Received { grant, descriptors, process })
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Until there is something to receive.
fn wait(socket: &OwnedFd, until: Time) -> Result<(), Fault> {
    let left = until.since(now());
    if left.is_zero() {
        return Err(Fault::Late);
    }
    let left = Timespec::try_from(left).expect("a handshake is a few seconds");
    match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
        Ok(0) => Err(Fault::Late),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(Fault::Closed(errno.into())),
    }
}
