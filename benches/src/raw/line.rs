//! Whole messages over two descriptors, with each way of waiting for the other process.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};

use crate::case::Waiting;

use super::ends::Ends;

/// One side of a raw ping-pong.
#[derive(Debug)]
pub(crate) struct Line {
    ends: Ends,
    /// Readable once the other process has ended.
    peer: OwnedFd,
    waiting: Waiting,
}

impl Line {
    /// Owns both ends: nobody else may use their descriptions, which become non-blocking unless the wait is in `read`.
    pub(crate) fn new(ends: Ends, peer: OwnedFd, waiting: Waiting) -> io::Result<Self> {
        if waiting != Waiting::Read {
            for end in [&ends.input, &ends.output] {
                fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
            }
        }
        Ok(Self { ends, peer, waiting })
    }

    /// Hands over the whole message.
    pub(crate) fn send(&self, mut message: &[u8]) -> io::Result<()> {
        while !message.is_empty() {
            match write(&self.ends.output, message) {
                Ok(written) => message = &message[written..],
                Err(Errno::AGAIN) if self.waiting == Waiting::Park => {
                    self.sleep(self.ends.output.as_fd(), PollFlags::OUT)?;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Fills the buffer. Who parks sleeps before the first look: the answer is never there yet.
    pub(crate) fn receive(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        if self.waiting == Waiting::Park {
            self.sleep(self.ends.input.as_fd(), PollFlags::IN)?;
        }
        while filled < buf.len() {
            match read(&self.ends.input, &mut buf[filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(Errno::AGAIN) if self.waiting == Waiting::Park => {
                    self.sleep(self.ends.input.as_fd(), PollFlags::IN)?;
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Without a time limit: to arm a timer costs 0.5 µs a sleep, and the run kills whoever takes too long.
    fn sleep(&self, end: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        let mut fds = [
            PollFd::from_borrowed_fd(end, flags),
            PollFd::from_borrowed_fd(self.peer.as_fd(), PollFlags::IN),
        ];
        loop {
            match poll(&mut fds, None) {
                Ok(_) if fds[0].revents().is_empty() => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ends::pair;
    use super::*;
    use crate::case::Wire;
    use crate::peer::parent_life;

    const BYTES: usize = 300_000;

    #[test]
    fn large_message_arrives_whole_on_every_wire_and_with_every_wait() {
        for wire in [Wire::Pipe, Wire::Fifo, Wire::Unix, Wire::Tcp] {
            for waiting in [Waiting::Park, Waiting::Read, Waiting::Spin] {
                let (ours, theirs) = pair(wire).unwrap();
                let line = Line::new(ours, parent_life().unwrap(), waiting).unwrap();
                let message: Vec<u8> = (0..BYTES).map(|index| index as u8).collect();
                let echo = std::thread::spawn(move || {
                    let line = Line::new(theirs, parent_life().unwrap(), waiting).unwrap();
                    let mut buf = vec![0; BYTES];
                    line.receive(&mut buf).unwrap();
                    line.send(&buf).unwrap();
                });
                line.send(&message).unwrap();
                let mut reply = vec![0; BYTES];
                line.receive(&mut reply).unwrap();
                echo.join().unwrap();
                assert!(reply == message, "{wire:?} {waiting:?}");
            }
        }
    }

    #[test]
    fn end_of_file_is_an_error() {
        let (ours, theirs) = pair(Wire::Unix).unwrap();
        let line = Line::new(ours, parent_life().unwrap(), Waiting::Park).unwrap();
        drop(theirs);
        assert_eq!(line.receive(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
