//! Slips on their way back: datagrams between Unix sockets whose names nobody can guess, from processes of one user only.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use farcall_core::wire::mailbox::Id;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recvmsg, sendmsg_addr,
    socket_with, sockopt,
};
use rustix::process::geteuid;

/// Bytes of a payload that a slip carries itself; a larger one lies in memory of its own.
pub(super) const INLINE: usize = 8 * 1024;

/// Bytes of the largest datagram that is taken.
pub(super) const LARGEST: usize = 2 * INLINE;

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
}

/// What has arrived.
pub(super) struct Arrived {
    pub(super) size: usize,
    pub(super) descriptor: Option<OwnedFd>,
}

impl Inbox {
    pub(super) fn open(id: &Id) -> io::Result<Self> {
        let socket = socket()?;
        // The name can be read by everybody in /proc/net/unix: who sends is looked at, each time.
        sockopt::set_socket_passcred(&socket, true)?;
        bind(&socket, &address(id)?)?;
        Ok(Inbox { socket: Arc::new(socket) })
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
            let (mut is_ours, mut descriptor) = (false, None);
            for message in control.drain() {
                match message {
                    RecvAncillaryMessage::ScmCredentials(sender) => {
                        is_ours = sender.uid == geteuid() || sender.uid.is_root();
                    }
                    RecvAncillaryMessage::ScmRights(rights) => {
                        for right in rights {
                            descriptor.get_or_insert(right);
                        }
                    }
                    _ => {}
                }
            }
            if is_ours {
                return Ok(Some(Arrived { size, descriptor }));
            }
        }
    }
}

/// From where slips are sent.
pub(super) struct Sender(OwnedFd);

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
        socket().map(Sender)
    }

    pub(super) fn post(&self, to: &Id, slip: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Posted {
        let Ok(address) = address(to) else { return Posted::Gone };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let rights = descriptor.map(|fd| [fd]);
        if let Some(rights) = &rights {
            control.push(SendAncillaryMessage::ScmRights(rights));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            return match sendmsg_addr(&self.0, &address, &[IoSlice::new(slip)], &mut control, flags) {
                Ok(_) => Posted::Sent,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::TOOMANYREFS | Errno::NOMEM) => Posted::Full,
                Err(_) => Posted::Gone,
            };
        }
    }
}

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
