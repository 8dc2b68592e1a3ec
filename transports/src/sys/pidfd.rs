//! The pidfd of the process that speaks through a Unix socket, taken from its first bytes (`SCM_PIDFD`, Linux 6.5).
//!
//! A sender's identity is attached if either end has `SO_PASSPIDFD` set when it sends. Both ends set it before their first
//! bytes and clear it when they have received the other's: so each still has it set when the other's first bytes are sent.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::event::{EventfdFlags, eventfd};

use super::option::set;
use super::probe::is_disabled;

const SO_PASSPIDFD: libc::c_int = 76;
const SO_PASSRIGHTS: libc::c_int = 83;
const SCM_PIDFD: libc::c_int = 0x04;

/// What `statfs` calls the file system of pidfds that have an inode number per process (Linux 6.9).
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// Room for a pidfd and for as many descriptors as the kernel passes in one message (253), so that truncation means abuse.
const CONTROL: usize = 2048;

/// Entries above which the table of known processes is swept of those that are gone.
const SWEEP: usize = 64;

/// Asks for the pidfd of whoever sends, on a socket that takes no descriptors; `false` if this kernel has none to give.
pub(crate) fn ask(socket: BorrowedFd<'_>) -> bool {
    refuse_descriptors(socket);
    ask_besides_descriptors(socket)
}

/// A peer that passes descriptors although none are wanted gets an error of its own (Linux 6.16).
pub(crate) fn refuse_descriptors(socket: BorrowedFd<'_>) {
    let _ = set(socket, libc::SOL_SOCKET, SO_PASSRIGHTS, 0);
}

/// The same as [`ask`] on a socket that takes descriptors.
pub(crate) fn ask_besides_descriptors(socket: BorrowedFd<'_>) -> bool {
    !is_disabled("passpidfd") && set(socket, libc::SOL_SOCKET, SO_PASSPIDFD, 1).is_ok()
}

/// Stops asking, which costs a pidfd per read.
pub(crate) fn stop_asking(socket: BorrowedFd<'_>) {
    let _ = set(socket, libc::SOL_SOCKET, SO_PASSPIDFD, 0);
}

/// What came with the first bytes of a peer.
#[derive(Debug)]
pub(crate) enum Speaker {
    /// Its process: readable once it has ended.
    Known(Arc<OwnedFd>),
    /// The kernel did not say.
    Unknown,
}

/// Reads without blocking, and says who has sent what was read.
///
/// # Errors
/// What `recvmsg` says; `InvalidData` if the peer passed descriptors, which are closed.
pub(crate) fn receive(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<(usize, Speaker)> {
    let parcel = receive_parcel(socket, buf)?;
    if !parcel.descriptors.is_empty() || parcel.is_cut {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer passed descriptors, which no service here has asked for",
        ));
    }
    Ok((parcel.read, parcel.speaker))
}

/// What one message has brought.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Bytes that were read.
    pub(crate) read: usize,
    pub(crate) speaker: Speaker,
    /// In the order in which they were passed.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Some descriptors were lost: there were too many, or no free numbers for them.
    pub(crate) is_cut: bool,
}

/// Reads without blocking, with the descriptors that were passed along. All of them are owned, close-on-exec.
///
/// # Errors
/// What `recvmsg` says.
pub(crate) fn receive_parcel(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Parcel> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: a `msghdr` is plain data, for which all zeroes are a valid value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` points to `part` and `control`, and `part` to `buf`; all outlive the call and are not shared.
    let read = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // What was passed is owned before anything else can fail, so that nothing is left open.
    let mut passed = Passed::taken_from(&control.0[..message.msg_controllen.min(CONTROL)]);
    let descriptors = mem::take(&mut passed.rights);
    let is_cut = message.msg_flags & libc::MSG_CTRUNC != 0;
    Ok(Parcel { read, speaker: passed.speaker()?, descriptors, is_cut })
}

#[repr(align(8))]
struct Control([u8; CONTROL]);

/// The descriptors of one message's control data.
#[derive(Default)]
struct Passed {
    rights: Vec<OwnedFd>,
    pidfd: Option<Result<OwnedFd, i32>>,
}

impl Passed {
    /// `control` is what the kernel has written. Its layout is read by hand: a header of length, level and type, then the
    /// data, all aligned to the size of a word.
    fn taken_from(mut control: &[u8]) -> Passed {
        const WORD: usize = mem::size_of::<usize>();
        const HEAD: usize = WORD + 2 * mem::size_of::<libc::c_int>();
        let mut passed = Passed::default();
        while let Some((head, _)) = control.split_first_chunk::<HEAD>() {
            let (len, rest) = head.split_at(WORD);
            let len = usize::from_ne_bytes(len.try_into().expect("the head begins with a word"));
            let (level, kind) = rest.split_at(mem::size_of::<libc::c_int>());
            let Some(data) = control.get(HEAD..len) else {
                break;
            };
            if number(level) == libc::SOL_SOCKET {
                passed.take(number(kind), data);
            }
            control = control.get(len.next_multiple_of(WORD)..).unwrap_or_default();
        }
        passed
    }

    fn take(&mut self, kind: libc::c_int, data: &[u8]) {
        for raw in data.chunks_exact(mem::size_of::<RawFd>()).map(number) {
            match kind {
                libc::SCM_RIGHTS => self.rights.push(own(raw)),
                SCM_PIDFD if raw >= 0 => self.pidfd = Some(Ok(own(raw))),
                SCM_PIDFD => self.pidfd = Some(Err(raw)),
                _ => {}
            }
        }
    }

    fn speaker(self) -> io::Result<Speaker> {
        match self.pidfd {
            Some(Ok(pidfd)) => Ok(Speaker::Known(shared(pidfd))),
            Some(Err(errno)) if -errno == libc::ESRCH => Ok(Speaker::Known(Arc::new(ended()?))),
            Some(Err(_)) | None => Ok(Speaker::Unknown),
        }
    }
}

fn number(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes(bytes.try_into().expect("a C int has four bytes"))
}

fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just installed this descriptor for the message that was read, so nobody else owns it; each
    // word of the control data is turned into an owner once.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Something that is readable like the pidfd of a process that has ended and been waited for.
fn ended() -> io::Result<OwnedFd> {
    Ok(eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// One pidfd per process, however many connections it has, where the kernel tells processes apart by inode.
fn shared(pidfd: OwnedFd) -> Arc<OwnedFd> {
    static KNOWN: Mutex<Option<HashMap<u64, Weak<OwnedFd>>>> = Mutex::new(None);
    let Some(inode) = inode(pidfd.as_fd()) else {
        return Arc::new(pidfd);
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(same) = known.get(&inode).and_then(Weak::upgrade) {
        return same;
    }
    if known.len() >= SWEEP && known.len() == known.capacity() {
        known.retain(|_, process| process.strong_count() > 0);
    }
    let pidfd = Arc::new(pidfd);
    known.insert(inode, Arc::downgrade(&pidfd));
    pidfd
}

fn inode(pidfd: BorrowedFd<'_>) -> Option<u64> {
    let is_pidfs = rustix::fs::fstatfs(pidfd).is_ok_and(|fs| fs.f_type as u64 == PIDFS_MAGIC);
    let inode = is_pidfs.then(|| rustix::fs::fstat(pidfd)).and_then(Result::ok).map(|stat| stat.st_ino)?;
    // Where a word has 32 bits, the number is cut and may repeat.
    cfg!(target_pointer_width = "64").then_some(inode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, Write};
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    const LIMIT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

    fn is_readable(fd: BorrowedFd<'_>, limit: Timespec) -> bool {
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap() == 1
    }

    fn pid_of(pidfd: &OwnedFd) -> i32 {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
        info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim().parse().unwrap()
    }

    fn speaker(socket: &UnixStream) -> Arc<OwnedFd> {
        assert!(is_readable(socket.as_fd(), LIMIT));
        match receive(socket.as_fd(), &mut [0; 64]).unwrap() {
            (1.., Speaker::Known(pidfd)) => pidfd,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_speaker_counts_and_not_the_maker_of_the_socket() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(ask(ours.as_fd()));
        // The shell speaks; its child keeps the socket open when the shell has been killed.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo $! >&2; echo hello; read never"])
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone().unwrap())))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pidfd = speaker(&ours);
        assert_eq!(pid_of(&pidfd), child.id() as i32);
        assert!(!is_readable(pidfd.as_fd(), Timespec { tv_sec: 0, tv_nsec: 0 }));
        child.kill().unwrap();
        assert!(is_readable(pidfd.as_fd(), LIMIT));
        child.wait().unwrap();
        // End of file has not come: the grandchild still holds the socket.
        assert!(!is_readable(ours.as_fd(), Timespec { tv_sec: 0, tv_nsec: 0 }));
        let mut grandchild = String::new();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut stderr, &mut grandchild).unwrap();
        Command::new("kill").args(["-9", grandchild.trim()]).status().unwrap();
    }

    #[test]
    fn both_sides_learn_of_each_other_although_each_stops_asking_at_its_first_bytes() {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        assert!(ask(a.as_fd()));
        a.write_all(b"hello").unwrap();
        assert!(ask(b.as_fd()));
        let at_b = speaker(&b);
        stop_asking(b.as_fd());
        b.write_all(b"hello").unwrap();
        let at_a = speaker(&a);
        assert_eq!(pid_of(&at_a), std::process::id() as i32);
        assert!(Arc::ptr_eq(&at_a, &at_b), "one pidfd per process");
    }

    #[test]
    fn nothing_is_attached_once_nobody_asks() {
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"x").unwrap();
        assert!(matches!(receive(b.as_fd(), &mut [0; 8]), Ok((1, Speaker::Unknown))));
    }

    #[test]
    fn descriptors_that_nobody_asked_for_are_closed_and_refused() {
        let (a, b) = UnixStream::pair().unwrap();
        let (given, witness) = UnixStream::pair().unwrap();
        let given = [given.as_fd()];
        let mut space = [mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&given)));
        sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        let error = receive(b.as_fd(), &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop((a, b));
        assert!(!is_readable(witness.as_fd(), Timespec { tv_sec: 0, tv_nsec: 0 }));
    }

    #[test]
    fn a_pidfd_of_a_process_that_is_no_more_is_readable() {
        assert!(is_readable(ended().unwrap().as_fd(), Timespec { tv_sec: 0, tv_nsec: 0 }));
    }
}
