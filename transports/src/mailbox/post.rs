//! Slips on their way back: datagrams between Unix sockets whose names nobody can guess, from processes of one user only.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use farcall_core::wire::mailbox::{Id, NOBODY};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, recvmsg, send,
    sendmsg_addr, socket_with, sockopt,
};
use rustix::process::{Uid, geteuid};

/// Bytes of a payload that a slip carries itself; a larger one lies in memory of its own.
pub(super) const INLINE: usize = 8 * 1024;

/// Bytes of the largest datagram that is taken.
pub(super) const LARGEST: usize = 2 * INLINE;

/// Descriptors that come with a slip at most.
pub(super) const ENCLOSED: usize = 2;

/// Slips to the same caller in a row after which the socket is connected to him: the kernel then need not look him up.
const REGULAR: u32 = 4;

fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

fn address(id: &Id) -> io::Result<SocketAddrUnix> {
    let name = format!("farcall-{:032x}", u128::from_be_bytes(*id));
    Ok(SocketAddrUnix::new_abstract_name(name.as_bytes())?)
}

/// Where slips arrive.
pub(super) struct Inbox {
    socket: Arc<OwnedFd>,
    user: Uid,
}

/// What has arrived.
pub(super) struct Arrived {
    pub(super) size: usize,
    pub(super) descriptors: [Option<OwnedFd>; ENCLOSED],
}

impl Inbox {
    pub(super) fn open(id: &Id) -> io::Result<Self> {
        let socket = socket()?;
        // The name can be read by everybody in /proc/net/unix: who sends is looked at, each time.
        sockopt::set_socket_passcred(&socket, true)?;
        bind(&socket, &address(id)?)?;
        Ok(Inbox { socket: Arc::new(socket), user: geteuid() })
    }

    pub(super) fn fd(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// The next datagram of this user's, in `buf`. What others send is dropped.
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<Option<Arrived>> {
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4), ScmCredentials(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let size = match recvmsg(&*self.socket, &mut [IoSliceMut::new(buf)], &mut control, flags) {
                Ok(message) => message.bytes,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let (mut is_ours, mut descriptors) = (false, [const { None }; ENCLOSED]);
            for message in control.drain() {
                match message {
                    RecvAncillaryMessage::ScmCredentials(sender) => {
                        is_ours = sender.uid == self.user || sender.uid.is_root();
                    }
                    RecvAncillaryMessage::ScmRights(rights) => {
                        // What there is no place for is closed.
                        for (right, place) in rights.zip(&mut descriptors) {
                            *place = Some(right);
                        }
                    }
                    _ => {}
                }
            }
            if is_ours {
                return Ok(Some(Arrived { size, descriptors }));
            }
        }
    }
}

/// From where slips are sent.
pub(super) struct Sender {
    socket: OwnedFd,
    /// To whom it is connected.
    connected: Option<Id>,
    /// Who got the last slips, and how many in a row.
    last: (Id, u32),
}

/// What became of a slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    Sent,
    /// The caller has not read what was sent before.
    Full,
    /// There is no such caller any more.
    Gone,
}

impl Sender {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Sender { socket: socket()?, connected: None, last: (NOBODY, 0) })
    }

    pub(super) fn post(&mut self, to: &Id, slip: &[u8], enclosed: &[Arc<OwnedFd>]) -> Posted {
        if self.connected == Some(*to) && enclosed.is_empty() {
            return self.attempt(|socket| send(socket, slip, FLAGS));
        }
        let Ok(address) = address(to) else { return Posted::Gone };
        self.get_to_know(to, &address);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ENCLOSED))];
        let rights: Vec<BorrowedFd<'_>> = enclosed.iter().map(|fd| fd.as_fd()).collect();
        self.attempt(|socket| {
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !rights.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&rights));
            }
            sendmsg_addr(socket, &address, &[IoSlice::new(slip)], &mut control, FLAGS)
        })
    }

    /// Connects to whoever is written to again and again.
    fn get_to_know(&mut self, to: &Id, address: &SocketAddrUnix) {
        let in_a_row = if self.last.0 == *to { self.last.1.saturating_add(1) } else { 1 };
        self.last = (*to, in_a_row);
        if in_a_row == REGULAR {
            self.connected = connect(&self.socket, address).is_ok().then_some(*to);
        }
    }

    fn attempt(&mut self, mut send: impl FnMut(&OwnedFd) -> rustix::io::Result<usize>) -> Posted {
        loop {
            return match send(&self.socket) {
                Ok(_) => Posted::Sent,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::TOOMANYREFS | Errno::NOMEM) => Posted::Full,
                Err(_) => {
                    // The kernel has let go of a peer that is gone.
                    (self.connected, self.last) = (None, (NOBODY, 0));
                    Posted::Gone
                }
            };
        }
    }
}

const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

/// Memory of its own for a large payload, which nobody can change any more.
pub(super) fn memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create(c"farcall", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut at = 0;
    while at < bytes.len() {
        at += rustix::io::write(&fd, &bytes[at..])?;
    }
    fcntl_add_seals(&fd, SEALS)?;
    Ok(fd)
}

/// Reads it.
///
/// # Errors
/// It is something else, or of another size.
pub(super) fn read_memory(fd: impl AsFd, size: u64, most: usize) -> io::Result<Vec<u8>> {
    // Only a memfd has seals: reading anything else could block.
    if !fcntl_get_seals(&fd)?.contains(SEALS) || rustix::fs::fstat(&fd)?.st_size.unsigned_abs() != size {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let size = usize::try_from(size).ok().filter(|size| *size <= most).ok_or(io::ErrorKind::InvalidData)?;
    let (mut bytes, mut at) = (vec![0; size], 0);
    while at < size {
        match rustix::io::pread(&fd, &mut bytes[at..], at as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => at += read,
        }
    }
    Ok(bytes)
}
