//! Messages through a pair of POSIX message queues, as a client and a server that do nothing else would do it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::getpid;

use crate::case::{Case, Waiting};
use crate::measure::{Sample, measure, one_by_one};
use crate::peer::{Part, Peer, parent_life};

use super::stamp::Stamp;

/// Messages that a queue holds, as Farcall makes them.
const DEPTH: i64 = 8;

/// One side.
struct Queues {
    input: MqdT,
    output: MqdT,
    /// Readable once the other process has ended.
    peer: OwnedFd,
    waiting: Waiting,
    /// Room for one message.
    buf: Vec<u8>,
}

impl Queues {
    fn send(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match mq_send(&self.output, message, 0) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        loop {
            if self.waiting == Waiting::Park {
                self.sleep()?;
            }
            match mq_receive(&self.input, &mut self.buf, &mut 0) {
                Ok(bytes) => return Ok(&self.buf[..bytes]),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn sleep(&self) -> io::Result<()> {
        let mut fds = [
            PollFd::from_borrowed_fd(self.input.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.peer.as_fd(), PollFlags::IN),
        ];
        match rustix::io::retry_on_intr(|| poll(&mut fds, None)) {
            Ok(_) if fds[0].revents().is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(_) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn names(client: i32) -> [String; 2] {
    ["requests", "replies"].map(|way| format!("/farcall-bench-{client}-{way}"))
}

fn make(name: &str, bytes: usize) -> io::Result<MqdT> {
    let size = i64::try_from(bytes).map_err(io::Error::other)?;
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK;
    Ok(mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, Some(&MqAttr::new(0, DEPTH, size, 0)))?)
}

/// The client of a raw case.
pub(super) fn call(case: Case, part: &Part, slice: Duration) -> io::Result<Sample> {
    let [requests, replies] = names(getpid().as_raw_nonzero().get());
    let (output, input) = (make(&requests, case.bytes)?, make(&replies, case.bytes)?);
    let server = Peer::start(part, Stdio::null(), Stdio::null())?;
    let peer = server.life().try_clone_to_owned()?;
    let mut queues = Queues { input, output, peer, waiting: case.waiting, buf: vec![0; case.bytes] };
    let mut stamp = Stamp::new(case.bytes);
    queues.send(stamp.next())?;
    // The first answer says that the server has both open.
    let first = queues.receive().map(|_| ());
    for name in [&requests, &replies] {
        let _ = mq_unlink(name.as_str());
    }
    first?;
    measure(server.pid(), slice, |length, tally| {
        one_by_one(length, tally, || {
            queues.send(stamp.next())?;
            stamp.check(queues.receive()?)
        })
    })
}

/// The server of a raw case: answers until the client goes.
pub(super) fn serve(case: Case) -> io::Result<()> {
    let client = rustix::process::getppid().ok_or_else(|| io::Error::other("the parent has gone"))?;
    let [requests, replies] = names(client.as_raw_nonzero().get());
    let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_NONBLOCK;
    let open = |name: &str| mq_open(name, flags, Mode::empty(), None);
    let (input, output) = (open(&requests)?, open(&replies)?);
    let buf = vec![0; case.bytes];
    let mut queues = Queues { input, output, peer: parent_life()?, waiting: case.waiting, buf };
    let mut message = Vec::with_capacity(case.bytes);
    loop {
        message.clear();
        message.extend_from_slice(queues.receive()?);
        queues.send(&message)?;
    }
}
