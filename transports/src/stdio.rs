//! `stdio:`: a server on its own standard input and output, as a child that `exec:` has started.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use farcall_core::Error;
use farcall_core::transport::{Framed, Link, Listener, Peer};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use rustix::stdio::{dup2_stdin, dup2_stdout};

use crate::duct::DuctStream;
use crate::query::Query;
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::single::Single;
use crate::url::Url;

/// By this variable `exec:` tells the child who holds the other end.
pub(crate) const PARENT: &str = "FARCALL_PARENT";

/// The least number of a descriptor that is not a standard stream.
const FIRST_PRIVATE: i32 = 3;

/// The standard streams have been taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

pub(crate) struct Stdio;

impl Scheme for Stdio {
    fn name(&self) -> &'static str {
        "stdio"
    }

    fn connect(&self, url: &Url, _: &mut Query) -> Result<Box<dyn Link>, Error> {
        Err(url.refuse("standard input and output are for serving; connect with exec: from the other side"))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        url.without_host()?;
        if !url.path().as_os_str().is_empty() {
            return Err(url.refuse("nothing belongs behind the colon; write stdio:"));
        }
        query.finish()?;
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(url.refuse("standard input and output are already served by this process"));
        }
        let stream = take_streams(url).inspect_err(|_| TAKEN.store(false, Ordering::SeqCst))?;
        let single = Single::new(Box::new(Framed::accepted(stream)), "stdio:".into());
        Ok(Box::new(single.map_err(|error| refused(url, "making an eventfd", error, &[]))?))
    }
}

/// Moves the streams to private descriptors; what the program reads and prints from now on goes elsewhere.
fn take_streams(url: &Url) -> Result<DuctStream, Error> {
    let os = |error: rustix::io::Errno| refused(url, "moving the standard streams", error, &[]);
    let read = fcntl_dupfd_cloexec(io::stdin().as_fd(), FIRST_PRIVATE).map_err(os)?;
    let write = fcntl_dupfd_cloexec(io::stdout().as_fd(), FIRST_PRIVATE).map_err(os)?;
    let mut peer = Peer::on("stdio");
    let parent = parent();
    if parent.is_some() {
        peer.pid = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    }
    let mut stream = DuctStream::foreign(read, Some(write), peer).map_err(|why| url.refuse(why))?;
    stream.life = parent.map(Arc::new);
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(os)?;
    dup2_stdin(&null).map_err(os)?;
    dup2_stdout(io::stderr().as_fd()).or_else(|_| dup2_stdout(&null)).map_err(os)?;
    Ok(stream)
}

/// The parent's pidfd, if it is the process that speaks: it has said so by naming its own number to `exec:`'s child.
///
/// Started through a shell or by something else than `exec:`, the parent may end while the speaker lives; then end of file
/// is all there is.
fn parent() -> Option<OwnedFd> {
    let speaker = std::env::var(PARENT).ok()?.parse::<i32>().ok()?;
    let parent = getppid().filter(|pid| pid.as_raw_nonzero().get() == speaker)?;
    let pidfd = pidfd_open(parent, PidfdFlags::empty()).ok()?;
    // Had it ended before it was opened, the number might be another's by now, but it would not be the parent's.
    (getppid() == Some(parent)).then_some(pidfd)
}
