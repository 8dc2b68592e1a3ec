//! POSIX message queues: opened, checked, and never waited in.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use farcall_core::{Code, Error};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_close, mq_getattr, mq_open, mq_unlink};
use nix::sys::stat::Mode;
use rustix::io::Errno;

use crate::refusal::refused;
use crate::url::Url;

/// How a queue is opened.
#[allow(dead_code, reason = "each wire opens its queues in one of these ways")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It is made, and must not have been there.
    New,
    /// It is made unless it is there; what is there keeps its shape.
    NewOrThere,
    /// It must be there.
    There,
}

/// Room in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Messages that it holds.
    pub(crate) depth: usize,
    /// Bytes of its largest message.
    pub(crate) message: usize,
}

/// An open message queue. No method blocks, whatever others do to a description that they share.
#[derive(Debug)]
pub(crate) struct Queue {
    /// `None` only while it is dropped.
    open: Option<MqdT>,
    shape: Shape,
    /// The same queue under another number, for those who wait on it.
    fd: Arc<OwnedFd>,
}

impl Queue {
    /// Opens the queue `name`, which begins with a slash, for both directions. It is this user's alone, or refused.
    ///
    /// # Errors
    /// In words that name `url` and the remedy.
    pub(crate) fn open(url: &Url, name: &str, opening: Opening, shape: Shape) -> Result<Self, Error> {
        let flags = match opening {
            Opening::New => MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL,
            Opening::NewOrThere => MQ_OFlag::O_CREAT,
            Opening::There => MQ_OFlag::empty(),
        };
        let flags = flags | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC | MQ_OFlag::O_NONBLOCK;
        let member = |size: usize| mq_attr_member_t::try_from(size).unwrap_or(mq_attr_member_t::MAX);
        let attributes = MqAttr::new(0, member(shape.depth), member(shape.message), 0);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let open = mq_open(name, flags, mode, Some(&attributes))
            .map_err(|errno| refused(url, "opening the message queue", io::Error::from(errno), KNOWN))?;
        let queue =
            Queue::of(open).map_err(|error| refused(url, "looking at the message queue", error, KNOWN))?;
        queue.is_ours().map_err(|error| refused(url, "looking at the message queue", error, KNOWN))?.then_some(()).ok_or_else(|| {
            let text = format!(
                "{url}: the message queue `{name}` belongs to another user or is open to others; choose another name"
            );
            Error::new(Code::PermissionDenied, farcall_core::Fate::NotSent, text)
        })?;
        Ok(queue)
    }

    /// A queue that was passed.
    ///
    /// # Errors
    /// It is no message queue.
    #[allow(dead_code, reason = "for the wire whose queues are passed")]
    pub(crate) fn adopt(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the number is open and owned, and its ownership moves into the value, which closes it.
        let open = unsafe { MqdT::from_raw_fd(fd.into_raw_fd()) };
        Queue::of(open)
    }

    fn of(open: MqdT) -> io::Result<Self> {
        let mut queue = Closing(Some(open));
        let open = queue.0.as_ref().expect("it was just put there");
        let attributes = mq_getattr(open)?;
        let size = |member: mq_attr_member_t| usize::try_from(member).unwrap_or(0);
        let shape = Shape { depth: size(attributes.maxmsg()), message: size(attributes.msgsize()) };
        let fd = Arc::new(rustix::io::fcntl_dupfd_cloexec(open, 0)?);
        Ok(Queue { open: queue.0.take(), shape, fd })
    }

    fn is_ours(&self) -> io::Result<bool> {
        let found = rustix::fs::fstat(&*self.fd)?;
        Ok(found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o077 == 0)
    }

    /// Its room, as the kernel knows it.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Readable while it holds messages, writable while it has room.
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Puts a message. `false`: there is no room now.
    ///
    /// # Errors
    /// What `mq_timedsend` says.
    pub(crate) fn put(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        loop {
            // SAFETY: `message` is that many bytes and `PAST` a time, both of which outlive the call and are only read.
            let answer = unsafe {
                libc::mq_timedsend(
                    self.fd.as_raw_fd(),
                    message.as_ptr().cast(),
                    message.len(),
                    priority,
                    &PAST,
                )
            };
            if answer == 0 {
                return Ok(true);
            }
            if would_block(io::Error::last_os_error())? {
                return Ok(false);
            }
        }
    }

    /// Takes the oldest message of the highest priority into `buf`, which holds [`Shape::message`] bytes: its size and
    /// priority. `None`: there is none now.
    ///
    /// # Errors
    /// What `mq_timedreceive` says.
    pub(crate) fn take(&self, buf: &mut [u8]) -> io::Result<Option<(usize, u32)>> {
        let mut priority = 0;
        loop {
            // SAFETY: `buf` is that many bytes of ours, `priority` a number of ours and `PAST` a time; all outlive the call.
            let read = unsafe {
                libc::mq_timedreceive(
                    self.fd.as_raw_fd(),
                    buf.as_mut_ptr().cast(),
                    buf.len(),
                    &raw mut priority,
                    &PAST,
                )
            };
            if let Ok(read) = usize::try_from(read) {
                return Ok(Some((read, priority)));
            }
            if would_block(io::Error::last_os_error())? {
                return Ok(None);
            }
        }
    }

    /// Messages that wait.
    ///
    /// # Errors
    /// What `mq_getattr` says.
    #[allow(dead_code, reason = "for tests and for whoever asks how full it is")]
    pub(crate) fn waiting(&self) -> io::Result<usize> {
        let open = self.open.as_ref().expect("it is open until it is dropped");
        Ok(usize::try_from(mq_getattr(open)?.curmsgs()).unwrap_or(0))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        drop(Closing(self.open.take()));
    }
}

/// Removes the name of a queue; those who have it open keep it. `false`: there is none.
///
/// # Errors
/// In words that name `url` and the remedy.
pub(crate) fn remove(url: &Url, name: &str) -> Result<bool, Error> {
    match mq_unlink(name) {
        Ok(()) => Ok(true),
        Err(nix::errno::Errno::ENOENT) => Ok(false),
        Err(errno) => Err(refused(url, "removing the message queue", io::Error::from(errno), KNOWN)),
    }
}

/// The value of nix does not close itself.
struct Closing(Option<MqdT>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let _ = mq_close(open);
        }
    }
}

/// A time that has passed: with it a call that would block fails, though somebody have taken `O_NONBLOCK` off.
const PAST: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

/// `Ok(false)`: again.
fn would_block(error: io::Error) -> io::Result<bool> {
    match Errno::from_io_error(&error) {
        Some(Errno::TIMEDOUT | Errno::AGAIN) => Ok(true),
        Some(Errno::INTR) => Ok(false),
        _ => Err(error),
    }
}

#[rustfmt::skip]
const KNOWN: &[(Errno, Code, &str)] = &[
    (Errno::MFILE, Code::ResourceExhausted, "the message queues of this user take all the bytes that they may; raise the limit (ulimit -q), ask for less with ?depth= and ?msgsize=, or remove some in /dev/mqueue"),
    (Errno::NOSPC, Code::ResourceExhausted, "this machine has as many message queues as it may; remove some in /dev/mqueue or raise fs.mqueue.queues_max"),
    (Errno::INVAL, Code::InvalidConfig, "the kernel refuses a message queue of this name or size; ask for less with ?depth= and ?msgsize= or raise fs.mqueue.msg_max and fs.mqueue.msgsize_max"),
    (Errno::ACCESS, Code::PermissionDenied, "the message queue belongs to another user; choose another name"),
    (Errno::NOENT, Code::Unavailable, "there is no such message queue; serve it first"),
    (Errno::NOSYS, Code::Unsupported, "this kernel was built without message queues; choose another wire"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Shape = Shape { depth: 2, message: 64 };

    fn fresh() -> (Queue, Url, String) {
        let url = Url::parse("mq:x").unwrap();
        let name = format!("/farcall-queue-{}-{:?}", std::process::id(), std::thread::current().id());
        let queue = Queue::open(&url, &name, Opening::New, SMALL).unwrap();
        (queue, url, name)
    }

    #[test]
    fn a_queue_gives_the_highest_priority_first_and_never_blocks() {
        let (queue, url, name) = fresh();
        assert!(remove(&url, &name).unwrap());
        assert_eq!(queue.shape(), SMALL);
        let mut buf = [0; 64];
        assert_eq!(queue.take(&mut buf).unwrap(), None);
        assert!(queue.put(b"low", 0).unwrap());
        assert!(queue.put(b"high", 9).unwrap());
        assert!(!queue.put(b"none", 9).unwrap(), "it is full");
        assert_eq!(queue.waiting().unwrap(), 2);
        assert_eq!(queue.take(&mut buf).unwrap(), Some((4, 9)));
        assert_eq!(queue.take(&mut buf).unwrap(), Some((3, 0)));
    }

    #[test]
    fn a_queue_that_others_may_open_is_refused_and_one_that_is_missing_is_named() {
        let (queue, url, name) = fresh();
        assert!(Queue::open(&url, &name, Opening::New, SMALL).is_err());
        rustix::fs::fchmod(&**queue.fd(), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
        let error = Queue::open(&url, &name, Opening::NewOrThere, SMALL).unwrap_err();
        assert_eq!(error.code(), Code::PermissionDenied);
        remove(&url, &name).unwrap();
        assert!(!remove(&url, &name).unwrap());
        let error = Queue::open(&url, &name, Opening::There, SMALL).unwrap_err();
        assert!(error.to_string().contains("serve it first"), "{error}");
    }
}
