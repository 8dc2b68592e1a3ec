//! A peer that writes what it likes: bytes that a real conversation has left, cut, garbled and multiplied.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How long a server may take to answer or to hang up; its own bound for silence is 5 s.
const PATIENCE: Duration = Duration::from_secs(12);

/// The first bytes of a stream, before the frames.
pub const PREFACE: usize = 8;

/// The kinds of frames that are looked for, as numbers.
pub const CALL: u8 = 4;
pub const REPLY: u8 = 5;
pub const ERROR: u8 = 6;
pub const CANCEL: u8 = 7;
pub const CANCELLED: u8 = 8;
pub const PING: u8 = 11;

/// What a client writes to the server at `server` while `converse` talks to it through the URL that it is given.
pub fn record(server: &Path, converse: impl FnOnce(&str)) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("relay");
    let listener = UnixListener::bind(&path).expect("the path is free");
    thread::scope(|scope| {
        let relay = scope.spawn(|| {
            let (mut client, _) = listener.accept().expect("a client comes");
            let mut server = UnixStream::connect(server).expect("the server is there");
            let mut back = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            thread::spawn(move || {
                let _ = std::io::copy(&mut back.0, &mut back.1);
            });
            let mut said = Vec::new();
            let mut buf = [0; 4096];
            while let Ok(count @ 1..) = client.read(&mut buf) {
                said.extend_from_slice(&buf[..count]);
                server.write_all(&buf[..count]).expect("the server reads");
            }
            let _ = server.shutdown(Shutdown::Both);
            said
        });
        converse(&format!("unix:{}", path.display()));
        relay.join().expect("the relay ends with the conversation")
    })
}

/// The frames of a recording, without their lengths.
pub fn frames(recording: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut rest = &recording[PREFACE..];
    while let Some((length, more)) = rest.split_first_chunk() {
        let (frame, after) = more.split_at(u32::from_le_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

/// A frame with its length.
pub fn framed(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).expect("a frame is small").to_le_bytes(), frame].concat()
}

/// The same frame about another call.
pub fn renumbered(frame: &[u8], call: u64) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[8..16].copy_from_slice(&call.to_le_bytes());
    frame
}

/// The same call with so many nanoseconds left.
pub fn with_deadline(frame: &[u8], nanos: u64) -> Vec<u8> {
    let mut frame = frame.to_vec();
    assert_eq!(frame[18..20], [1, 8], "the deadline is the first option");
    frame[20..28].copy_from_slice(&nanos.to_le_bytes());
    frame
}

/// A frame that is nothing but a header.
pub fn bare(kind: u8, call: u64) -> Vec<u8> {
    let mut frame = vec![0; 16];
    frame[0] = kind;
    renumbered(&frame, call)
}

/// A connection on which anything is said.
pub struct Raw(UnixStream);

impl Raw {
    pub fn connect(path: &Path) -> Raw {
        let stream = UnixStream::connect(path).expect("the server is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        Raw(stream)
    }

    /// Another handle of the same connection.
    pub fn again(&self) -> Raw {
        Raw(self.0.try_clone().expect("a socket"))
    }

    /// Says it; `false`: the server has hung up.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Says it as long as the server takes it at once; how many bytes it took.
    pub fn say_what_is_taken(&mut self, bytes: &[u8]) -> usize {
        self.0.set_nonblocking(true).expect("a socket");
        let taken = self.0.write(bytes).unwrap_or(0);
        self.0.set_nonblocking(false).expect("a socket");
        taken
    }

    /// Says no more, and reads what the server says until it hangs up.
    pub fn hear_out(mut self) -> Vec<u8> {
        let _ = self.0.shutdown(Shutdown::Write);
        self.wait_for_the_end()
    }

    /// Reads until the server hangs up.
    pub fn wait_for_the_end(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the server neither answers nor hangs up: {error}"),
        }
        heard
    }

    /// The next frame; the preface is read before the first.
    pub fn next_frame(&mut self, first: bool) -> Vec<u8> {
        if first {
            self.0.read_exact(&mut [0; PREFACE]).expect("a preface");
        }
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("a length");
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut frame).expect("a frame");
        frame
    }
}
