//! The end of a wire at which a server reads, kept open past its death: what lies there was handed over and not read.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::peers::raw;
use crate::peers::service::sockets_of;

/// Letters that the mailbox of a test holds.
pub(crate) const DEPTH: u64 = 8;

/// Bytes of a chunk's head on a FIFO, the first two of which are the length of its content.
const CHUNK_HEAD: usize = 8;

/// The end of the wire at which the server reads.
pub(crate) enum Door {
    Socket(UnixStream),
    Pipe(File),
    /// A pipe whose bytes come in chunks.
    Fifo(File),
    /// It holds what is put into it until somebody takes it, and nobody did.
    Mailbox,
    /// The memory is the dead server's and ours, or the queue is; what it has taken is read from there.
    Shared,
}

impl Door {
    /// The one on the wire of this client, whose server is `pid`. `pipe`: it, where the client has made it.
    pub(crate) fn of(wire: &str, pipe: Option<File>, pid: u32) -> Door {
        match (wire, pipe) {
            ("pipe", Some(pipe)) => Door::Pipe(pipe),
            ("exec", _) => Door::Pipe(read_end(pid, |target| target.starts_with("pipe:["))),
            // Its name is gone since both sides have it open; that of the well-known one is not.
            ("fifo", _) => Door::Fifo(read_end(pid, |target| target.ends_with(" (deleted)"))),
            ("unix", _) => {
                let sockets = sockets_of(pid).into_iter().map(UnixStream::from);
                let mut connected = sockets.filter(|socket| socket.peer_addr().is_ok());
                Door::Socket(connected.next().expect("the server has a connection"))
            }
            ("mailbox", _) => Door::Mailbox,
            _ => Door::Shared,
        }
    }

    /// The numbers of the calls that lie whole before it.
    pub(crate) fn whole_calls(self) -> HashSet<u64> {
        let mut left = Vec::new();
        // Reading ends with an error: would block.
        match self {
            Door::Socket(mut socket) => {
                socket.set_nonblocking(true).expect("a socket");
                let _ = socket.read_to_end(&mut left);
            }
            Door::Pipe(mut pipe) => drop(pipe.read_to_end(&mut left)),
            Door::Fifo(mut fifo) => {
                let _ = fifo.read_to_end(&mut left);
                left = contents(&left);
            }
            Door::Mailbox => return (0..DEPTH).collect(),
            Door::Shared => {}
        }
        whole_calls(&left)
    }
}

/// A pipe's other end, opened by the number of this one.
pub(crate) fn other_end(url: &str) -> Option<File> {
    let write = url.split_once(',')?.1;
    open(format!("/proc/self/fd/{write}").into()).ok()
}

fn open(path: PathBuf) -> std::io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag");
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What this process of ours reads from, by what its descriptor stands for.
fn read_end(pid: u32, is_it: impl Fn(&str) -> bool) -> File {
    let reads = |number: &str| {
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("1").trim();
        u32::from_str_radix(flags, 8).is_ok_and(|flags| flags & 3 == 0)
    };
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the server lives").flatten();
    let mut ends = entries.filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| is_it(&target.to_string_lossy()))
            && reads(&entry.file_name().to_string_lossy())
    });
    open(ends.next().expect("the server reads from a pipe").path()).expect("it can be opened again")
}

/// The contents of these chunks.
fn contents(mut chunks: &[u8]) -> Vec<u8> {
    let mut contents = Vec::new();
    while let Some((head, rest)) = chunks.split_at_checked(CHUNK_HEAD) {
        let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let (content, rest) = rest.split_at_checked(length).expect("chunks are written whole");
        contents.extend_from_slice(content);
        chunks = rest;
    }
    contents
}

/// The numbers of the calls that lie whole in these bytes.
fn whole_calls(mut bytes: &[u8]) -> HashSet<u64> {
    let (mut slots, mut whole) = (HashMap::new(), HashSet::new());
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let Some((frame, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        bytes = rest;
        let call = u64::from_le_bytes(frame[8..16].try_into().expect("eight bytes"));
        let (more, continues, optional) = (frame[1] & 1 != 0, frame[1] & 2 != 0, frame[1] & 4 != 0);
        assert_eq!(frame[0], raw::CALL, "only calls were made");
        if !continues {
            let payload =
                if optional { 18 + usize::from(u16::from_le_bytes([frame[16], frame[17]])) } else { 16 };
            slots.insert(call, u64::from(frame[payload]));
        }
        if !more {
            whole.extend(slots.get(&call));
        }
    }
    whole
}
