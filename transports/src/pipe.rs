//! `fd:R,W`: a pair of pipes, in this process or handed to a child, and other inherited descriptors.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use farcall_core::Error;
use farcall_core::transport::{Framed, Link, Listener, Peer};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::duct::{Duct, DuctStream};
use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::single::Single;
use crate::sys::inherited;
use crate::url::Url;

/// Ends that wait in this process to be taken up by their URL.
static WAITING: Mutex<Option<HashMap<(RawFd, RawFd), PipeEnd>>> = Mutex::new(None);

/// One end of a pair of pipes: what is written to it is read from the other.
///
/// It closes when it is dropped, and no child inherits it unless [`inherit`](PipeEnd::inherit) says so.
///
/// ```
/// use std::process::Command;
/// let (ours, theirs) = farcall_transports::pipe_pair()?;
/// let mut child = Command::new("true");
/// let url = theirs.inherit(&mut child);
/// child.env("CALCULATOR", url);        // the child serves or connects to this URL
/// child.status().expect("`true` exists");
/// drop(child);                         // only now are the child's ends closed in this process
/// let ours = ours.into_url();          // and this process uses the other
/// # let _ = ours;
/// # Ok::<(), farcall_core::Error>(())
/// ```
#[derive(Debug)]
pub struct PipeEnd {
    read: OwnedFd,
    write: OwnedFd,
}

/// Two ends, each of which writes to the other.
///
/// # Errors
/// `ResourceExhausted` if there are no descriptors left.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// let (here, there) = farcall::pipe_pair()?;
/// let server = farcall::serve(there.into_url(), CalculatorServer::new(Calc)).wait()?;
/// let calc: CalculatorClient = farcall::connect(here.into_url()).wait()?;
/// assert_eq!(calc.add(2, 3).wait()?, 5);
/// # drop(server);
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn pipe_pair() -> Result<(PipeEnd, PipeEnd), Error> {
    let url = Url::parse("pipe:")?;
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| refused(&url, "making a pipe", errno, &[]));
    let (there, from_here) = pipe()?;
    let (here, from_there) = pipe()?;
    Ok((PipeEnd { read: here, write: from_here }, PipeEnd { read: there, write: from_there }))
}

impl PipeEnd {
    /// The URL by which this process itself connects or serves, once.
    pub fn into_url(self) -> String {
        let url = self.url();
        let key = (self.read.as_raw_fd(), self.write.as_raw_fd());
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get_or_insert_default().insert(key, self);
        url
    }

    /// Hands this end to the child that `command` is going to start, and gives the URL by which the child uses it, once.
    ///
    /// No other child inherits it. This process keeps it open as long as `command` lives: drop the command once it has
    /// started, or the death of the child is not seen.
    pub fn inherit(self, command: &mut Command) -> String {
        let url = self.url();
        inherited::hand_over(command, vec![self.read, self.write]);
        url
    }

    fn url(&self) -> String {
        format!("fd:{},{}", self.read.as_raw_fd(), self.write.as_raw_fd())
    }
}

/// `pipe:` has no meeting point; it only says so.
pub(crate) struct Pipe;

impl Scheme for Pipe {
    fn name(&self) -> &'static str {
        "pipe"
    }

    fn connect(&self, url: &Url, _: &mut Query) -> Result<Box<dyn Link>, Error> {
        Err(no_meeting_point(url))
    }

    fn listen(&self, url: &Url, _: &mut Query) -> Result<Box<dyn Listener>, Error> {
        Err(no_meeting_point(url))
    }
}

fn no_meeting_point(url: &Url) -> Error {
    url.refuse("a pipe has no name to meet at; make both ends with `pipe_pair()` and use the URL of each")
}

/// `fd:R,W`, or `fd:S` for a socket.
pub(crate) struct Descriptors;

impl Scheme for Descriptors {
    fn name(&self) -> &'static str {
        "fd"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        Ok(Box::new(Framed::connecting(stream(url, query)?)))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let link = Framed::accepted(stream(url, query)?);
        let single = Single::new(Box::new(link), format!("fd:{}", url.name()?));
        Ok(Box::new(single.map_err(|error| refused(url, "making an eventfd", error, &[]))?))
    }
}

fn stream(url: &Url, query: &mut Query) -> Result<DuctStream, Error> {
    query.finish()?;
    let (read, write) = numbers(url)?;
    let mut peer = Peer::on("fd");
    peer.address = Some(url.name()?.to_owned());
    let waiting = {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        write.and_then(|write| waiting.as_mut()?.remove(&(read, write)))
    };
    if let Some(end) = waiting {
        let private = |fd| Duct::private(fd).map_err(|error| refused(url, "setting up a pipe", error, &[]));
        return Ok(DuctStream { source: private(end.read)?, sink: private(end.write)?, peer, life: None });
    }
    let take_up = |raw| {
        inherited::take_up(raw).map_err(|error| {
            url.refuse(format!(
                "descriptor {raw} cannot be taken up: {error}; name descriptors that this process was started with"
            ))
        })
    };
    let (read, write) = (take_up(read)?, write.map(take_up).transpose()?);
    DuctStream::foreign(read, write, peer).map_err(|why| url.refuse(why))
}

/// The descriptors that the URL names; one number, or twice the same, is a socket.
fn numbers(url: &Url) -> Result<(RawFd, Option<RawFd>), Error> {
    url.without_host()?;
    let name = url.path().to_str().unwrap_or_default();
    let number = |text: &str| {
        text.parse::<RawFd>()
            .ok()
            .filter(|number| *number >= 0)
            .ok_or_else(|| url.refuse(format!("`{text}` is not a descriptor; write fd:R,W, such as fd:3,4")))
            .and_then(|number| match number {
                0..=2 => {
                    Err(url
                        .refuse("0 to 2 are the standard streams; serve stdio:, or name other descriptors"))
                }
                _ => Ok(number),
            })
    };
    match name.split_once(',') {
        None => Ok((number(name)?, None)),
        Some((read, write)) => {
            let (read, write) = (number(read)?, number(write)?);
            Ok((read, Some(write).filter(|write| *write != read)))
        }
    }
}
