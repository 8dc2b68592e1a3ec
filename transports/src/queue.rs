//! POSIX message queues as descriptors: making and opening them, sending and receiving so that nothing ever blocks, and
//! what it means when the kernel gives none (mq_overview(7)).
//!
//! The description of a queue that was passed is shared, so that whoever else holds it can take `O_NONBLOCK` off at any
//! time. Therefore every operation is a timed one whose time has passed long ago.

use std::ffi::CStr;
use std::fs::read_to_string;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use farcall_core::{Code, Error, Fate};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// When nothing is waited for.
static LONG_AGO: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

/// How a queue was made, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Messages that it holds at most.
    pub(crate) depth: usize,
    /// Bytes of the longest message.
    pub(crate) message: usize,
    /// Messages that are in it.
    pub(crate) waiting: usize,
}

/// A queue that this process may send to and receive from.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    fd: Arc<OwnedFd>,
}

impl Queue {
    /// A new queue of this name, open to this user only.
    ///
    /// # Errors
    /// `EXIST` if there is one; what [`explain`] knows.
    pub(crate) fn create(name: &CStr, depth: usize, message: usize) -> rustix::io::Result<Queue> {
        let long = |number: usize| libc::c_long::try_from(number).map_err(|_| Errno::INVAL);
        // SAFETY: it is a struct of integers only, for which zero is a value.
        let mut attributes: libc::mq_attr = unsafe { std::mem::zeroed() };
        (attributes.mq_maxmsg, attributes.mq_msgsize) = (long(depth)?, long(message)?);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let mode: libc::mode_t = 0o600;
        // SAFETY: the name ends with a zero, and with `O_CREAT` the kernel takes a mode and attributes, which outlive the call.
        let fd = unsafe { libc::mq_open(name.as_ptr(), flags, mode, &raw const attributes) };
        Queue::own(fd)
    }

    /// The queue of this name.
    ///
    /// # Errors
    /// `NOENT` if there is none; what the system says.
    #[cfg_attr(
        not(any(test, feature = "mailbox")),
        expect(dead_code, reason = "for wires that meet at a named queue")
    )]
    pub(crate) fn open(name: &CStr) -> rustix::io::Result<Queue> {
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the name ends with a zero.
        let fd = unsafe { libc::mq_open(name.as_ptr(), flags) };
        Queue::own(fd)
    }

    fn own(fd: libc::mqd_t) -> rustix::io::Result<Queue> {
        check(fd)?;
        // SAFETY: the kernel has just given this descriptor, to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Queue { fd: Arc::new(fd) })
    }

    /// A descriptor that was passed, if it is a queue.
    ///
    /// # Errors
    /// `BADF` if it is none.
    #[cfg_attr(
        not(any(test, feature = "mq")),
        expect(dead_code, reason = "for wires whose queues are passed")
    )]
    pub(crate) fn adopt(fd: OwnedFd) -> rustix::io::Result<Queue> {
        let queue = Queue { fd: Arc::new(fd) };
        queue.attributes()?;
        Ok(queue)
    }

    /// The descriptor, which can be polled: readable if there is a message, writable if there is room for one.
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    pub(crate) fn attributes(&self) -> rustix::io::Result<Attributes> {
        // SAFETY: it is a struct of integers only, for which zero is a value.
        let mut found: libc::mq_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such struct.
        check(unsafe { libc::mq_getattr(self.fd.as_raw_fd(), &raw mut found) })?;
        let [depth, message, waiting] = [found.mq_maxmsg, found.mq_msgsize, found.mq_curmsgs]
            .map(|number| usize::try_from(number).unwrap_or(0));
        Ok(Attributes { depth, message, waiting })
    }

    /// Puts a message into the queue, behind those of its priority and before those of a lower one.
    ///
    /// # Errors
    /// `AGAIN` if it is full, `MSGSIZE` if the message is too long.
    #[inline]
    pub(crate) fn send(&self, message: &[u8], priority: u32) -> rustix::io::Result<()> {
        let fd = self.fd.as_raw_fd();
        retry(|| {
            // SAFETY: the kernel reads so many bytes, and a time that outlives the call.
            let sent = unsafe {
                libc::mq_timedsend(fd, message.as_ptr().cast(), message.len(), priority, &raw const LONG_AGO)
            };
            check(sent)
        })?;
        Ok(())
    }

    /// Takes the first message out: its bytes and its priority. `into` has room for the longest.
    ///
    /// # Errors
    /// `AGAIN` if there is none, `MSGSIZE` if there is too little room for the longest.
    #[inline]
    pub(crate) fn receive(&self, into: &mut [u8]) -> rustix::io::Result<(usize, u32)> {
        let fd = self.fd.as_raw_fd();
        let mut priority = 0;
        let bytes = retry(|| {
            let (at, room) = (into.as_mut_ptr().cast(), into.len());
            // SAFETY: the kernel writes at most so many bytes and a priority, and reads a time that outlives the call.
            let taken =
                unsafe { libc::mq_timedreceive(fd, at, room, &raw mut priority, &raw const LONG_AGO) };
            usize::try_from(taken).map_err(|_| last())
        })?;
        Ok((bytes, priority))
    }
}

/// Removes a name. Whoever has the queue open keeps it.
///
/// # Errors
/// `NOENT` if there is no such name.
pub(crate) fn unlink(name: &CStr) -> rustix::io::Result<()> {
    // SAFETY: the name ends with a zero.
    check(unsafe { libc::mq_unlink(name.as_ptr()) }).map(drop)
}

/// Why there is no queue of so many messages of so many bytes, and what to do.
pub(crate) fn explain(errno: Errno, depth: usize, message: usize) -> Error {
    let what = format!("a message queue of {depth} x {message} bytes cannot be had");
    let limit = |name: &str| match read_to_string(format!("/proc/sys/fs/mqueue/{name}")) {
        Ok(limit) => format!("fs.mqueue.{name} is {}", limit.trim()),
        Err(_) => format!("fs.mqueue.{name} is less"),
    };
    let (code, why) = match errno {
        Errno::MFILE if has_descriptors() => {
            let why = "this user's queues have used up their bytes; raise the limit (ulimit -q), or take a smaller \
                       depth or msgsize"
                .to_owned();
            (Code::ResourceExhausted, why)
        }
        Errno::MFILE => (Code::ResourceExhausted, "there are no free descriptors (ulimit -n)".to_owned()),
        Errno::NFILE => (Code::ResourceExhausted, "this machine has no free descriptors".to_owned()),
        Errno::NOSPC => {
            let why = format!("this machine has no room for more queues; {}, raise it", limit("queues_max"));
            (Code::ResourceExhausted, why)
        }
        Errno::NOMEM => (Code::ResourceExhausted, "there is no memory left".to_owned()),
        Errno::INVAL => {
            let why = format!(
                "{} and {}; take a smaller depth or msgsize, or raise them",
                limit("msg_max"),
                limit("msgsize_max")
            );
            (Code::InvalidConfig, why)
        }
        Errno::NOSYS => {
            (Code::Unsupported, "this kernel has no message queues; use unix: or shm:".to_owned())
        }
        Errno::EXIST => {
            (Code::PermissionDenied, "somebody else has planted one of that name; it is not used".to_owned())
        }
        other => (Code::Unavailable, other.to_string()),
    };
    Error::new(code, Fate::NotSent, format!("{what}: {why}")).with_source(io::Error::from(errno))
}

/// `EMFILE` has two reasons; this tells them apart.
fn has_descriptors() -> bool {
    eventfd(0, EventfdFlags::CLOEXEC).is_ok_and(|fd| fd.as_fd().as_raw_fd() >= 0)
}

fn last() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(answer: libc::c_int) -> rustix::io::Result<libc::c_int> {
    if answer < 0 { Err(last()) } else { Ok(answer) }
}

/// Both ways of saying that it would have to wait are one, and what a signal has interrupted is made again.
fn retry<T>(mut attempt: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match attempt() {
            Err(Errno::INTR) => {}
            Err(Errno::TIMEDOUT) => return Err(Errno::AGAIN),
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn name(of: &str) -> CString {
        CString::new(format!("/farcall-test-{of}-{}", std::process::id())).unwrap()
    }

    fn queue(of: &str, depth: usize, message: usize) -> Queue {
        let name = name(of);
        let queue = Queue::create(&name, depth, message).unwrap();
        unlink(&name).unwrap();
        queue
    }

    #[test]
    fn messages_come_by_priority_and_in_order() {
        let queue = queue("order", 4, 16);
        for (message, priority) in [(b"one", 0), (b"two", 0), (b"top", 9)] {
            queue.send(message, priority).unwrap();
        }
        assert_eq!(queue.attributes().unwrap(), Attributes { depth: 4, message: 16, waiting: 3 });
        let mut buf = [0; 16];
        for (message, priority) in [(b"top", 9), (b"one", 0), (b"two", 0)] {
            assert_eq!(queue.receive(&mut buf).unwrap(), (3, priority));
            assert_eq!(&buf[..3], message);
        }
        assert_eq!(queue.receive(&mut buf), Err(Errno::AGAIN));
    }

    #[test]
    fn nothing_blocks_when_somebody_has_made_the_description_block() {
        let queue = queue("block", 1, 16);
        // SAFETY: it is a struct of integers only, for which zero is a value: no flag, and so one that blocks.
        let blocks: libc::mq_attr = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel reads one such struct and writes none.
        let set = unsafe { libc::mq_setattr(queue.fd.as_raw_fd(), &raw const blocks, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        let _dog = farcall_core::testkit::Watchdog::new(std::time::Duration::from_secs(20));
        assert_eq!(queue.receive(&mut [0; 16]), Err(Errno::AGAIN));
        queue.send(b"x", 0).unwrap();
        assert_eq!(queue.send(b"y", 0), Err(Errno::AGAIN));
    }

    #[test]
    fn a_name_is_made_once_and_a_pipe_is_no_queue() {
        let name = name("once");
        let _queue = Queue::create(&name, 1, 16).unwrap();
        assert_eq!(Queue::create(&name, 1, 16).unwrap_err(), Errno::EXIST);
        Queue::open(&name).unwrap();
        unlink(&name).unwrap();
        assert_eq!(Queue::open(&name).unwrap_err(), Errno::NOENT);
        assert_eq!(Queue::adopt(std::io::pipe().unwrap().0.into()).unwrap_err(), Errno::BADF);
    }
}
