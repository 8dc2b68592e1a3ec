//! Both sides of a rendezvous, from nothing but the bytes that `WIRE.md` describes.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::end::{End, Side, Terms, WORDS};

/// Whatever the victim owes comes within this time, or the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Bytes of a grant without its text.
pub(crate) const GRANT: usize = 56;

const MEETING: [u8; 8] = *b"\xFARMEET\n\x01";

/// Bytes of the smallest ring.
pub(crate) const RING: usize = 128 * 1024;

pub(crate) const SAME_USER: u8 = 1;
pub(crate) const HOSTILE: u8 = 2;

pub(crate) const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// The 32 bytes of a request for memory.
pub(crate) fn request(trust: u8) -> Vec<u8> {
    let mut bytes = MEETING.to_vec();
    bytes.extend([1, trust, 0, 0]);
    bytes.extend((RING as u32).to_le_bytes());
    bytes.extend([9; 16]);
    bytes
}

/// A socket to whoever listens there.
pub(crate) fn enter(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).expect("the victim listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket takes a timeout");
    socket.set_write_timeout(Some(LIMIT)).expect("a socket takes a timeout");
    socket
}

/// What is said until the other side lets go.
pub(crate) fn hear_out(socket: &mut UnixStream) -> Vec<u8> {
    let mut said = Vec::new();
    // Words that were not read come back as a reset.
    match socket.read_to_end(&mut said) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
            panic!("the victim neither answers nor lets go: {error}")
        }
        _ => said,
    }
}

/// Asks for memory as the rules are, and takes the grant apart.
pub(crate) fn visit(path: &Path, trust: u8) -> Terms {
    let mut socket = enter(path);
    socket.write_all(&request(trust)).expect("the victim reads");
    let (grant, mut descriptors) = hear_grant(&socket);
    assert_eq!((grant[8], grant[9]), (0x81, trust), "memory is granted");
    let word = |at: usize| u32::from_le_bytes(*grant[at..].first_chunk().expect("a grant has 56 bytes"));
    assert_eq!(descriptors.len(), if trust == HOSTILE { 1 } else { 3 });
    let bells: Vec<OwnedFd> = descriptors.drain(1..).collect();
    Terms {
        side: Side::Connecting,
        ring: word(12) as usize,
        keys: [key(&grant, 32), key(&grant, 40)],
        socket: socket.into(),
        memory: descriptors.remove(0),
        bells: bells.try_into().ok(),
    }
}

/// The next bytes of a grant, and what came with them.
fn hear_grant(socket: &UnixStream) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = vec![0; GRANT];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let read = recvmsg(socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC).expect("a grant");
    assert_eq!(read.bytes, GRANT, "a grant comes in one piece");
    let passed = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(passed) => Some(passed),
        _ => None,
    });
    let descriptors = passed.flatten().collect();
    (bytes, descriptors)
}

/// Says bytes, in one piece with descriptors; `false`: they are not taken.
pub(crate) fn pass(socket: impl AsFd, bytes: &[u8], descriptors: &[OwnedFd]) -> bool {
    let passed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags).is_ok()
}

/// A grant as it is about to be given.
pub(crate) struct Grant {
    pub(crate) bytes: Vec<u8>,
    /// The memory, the listening side's bell, the connecting side's.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The socket stays open until the victim has been told.
    pub(crate) stays: bool,
}

impl Grant {
    /// An honest answer to a request.
    pub(crate) fn to(request: &[u8]) -> Grant {
        let mut bytes = MEETING.to_vec();
        bytes.extend([0x81, request[9], 1, 0]);
        bytes.extend((RING as u32).to_le_bytes());
        bytes.extend(&request[16..32]);
        bytes.extend(0x1122_3344_5566_7788_u64.to_le_bytes());
        bytes.extend(0x8877_6655_4433_2211_u64.to_le_bytes());
        bytes.resize(GRANT, 0);
        let mut descriptors = vec![memory(WORDS + 2 * RING, SEALS)];
        if request[9] != HOSTILE {
            descriptors.extend([bell(), bell()]);
        }
        Grant { bytes, descriptors, stays: false }
    }

    /// Puts these bytes at this place.
    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Gives it.
    pub(crate) fn give(&self, socket: &UnixStream) {
        pass(socket, &self.bytes, &self.descriptors);
    }

    /// The end of whoever has given it, which must be in order.
    pub(crate) fn end(mut self, socket: UnixStream) -> End {
        let keys = [key(&self.bytes, 32), key(&self.bytes, 40)];
        let (socket, memory) = (socket.into(), self.descriptors.remove(0));
        let bells = self.descriptors.try_into().ok();
        End::new(Terms { side: Side::Listening, ring: RING, keys, socket, memory, bells })
    }
}

fn key(grant: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*grant[at..].first_chunk().expect("a grant has 56 bytes"))
}

/// A memfd of so many bytes.
pub(crate) fn memory(bytes: usize, seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("trap", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd");
    ftruncate(&fd, bytes as u64).expect("it has its size");
    fcntl_add_seals(&fd, seals).expect("it can be sealed");
    fd
}

pub(crate) fn bell() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd")
}
