//! One end of the rings, from nothing but the bytes that `WIRE.md` describes; honest until it is told otherwise.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, send};

use crate::frames::{self, Frame};
use crate::region::Region;

/// Whatever the victim owes comes within this time, or the test fails.
const LIMIT: Duration = Duration::from_secs(20);

/// What is not answered within this time is rung for once more.
const AGAIN: Duration = Duration::from_millis(5);

/// Bytes of the memory before the rings.
pub(crate) const WORDS: usize = 4096;

/// The length that stands for the end.
pub(crate) const END: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Listening,
    Connecting,
}

/// What has been agreed on at the rendezvous.
pub(crate) struct Terms {
    pub(crate) side: Side,
    /// Bytes of one ring.
    pub(crate) ring: usize,
    /// Of the ring towards the connecting side, and of the other.
    pub(crate) keys: [u64; 2],
    pub(crate) socket: OwnedFd,
    pub(crate) memory: OwnedFd,
    /// The listening side's, and the connecting side's.
    pub(crate) bells: Option<[OwnedFd; 2]>,
}

/// See the module.
pub(crate) struct End {
    pub(crate) terms: Terms,
    pub(crate) region: Arc<Region>,
    /// Lines that were written.
    pub(crate) written: u64,
    /// Lines that were read.
    pub(crate) read: u64,
    taken: u32,
    number: u64,
}

/// Where a side's words are.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    pub(crate) taken: usize,
    pub(crate) freed: usize,
    pub(crate) sleep: usize,
    pub(crate) seen: usize,
}

impl Words {
    fn of(side: Side) -> Words {
        let block = if side == Side::Listening { 0 } else { 256 };
        Words { taken: block, freed: block + 4, sleep: block + 128, seen: block + 132 }
    }
}

impl End {
    pub(crate) fn new(terms: Terms) -> End {
        let region = Arc::new(Region::map(&terms.memory, WORDS + 2 * terms.ring));
        End { terms, region, written: 0, read: 0, taken: 0, number: 0 }
    }

    pub(crate) fn mine(&self) -> Words {
        Words::of(self.terms.side)
    }

    pub(crate) fn theirs(&self) -> Words {
        Words::of(if self.terms.side == Side::Listening { Side::Connecting } else { Side::Listening })
    }

    /// Lines of one ring.
    pub(crate) fn lines(&self) -> u64 {
        self.terms.ring as u64 / 64
    }

    /// Stamp and check of the record at a line that this side writes.
    pub(crate) fn seal(&self, line: u64) -> (u32, u32) {
        seal(self.terms.keys[usize::from(self.terms.side == Side::Connecting)], line)
    }

    /// Where in the memory a line of the ring is that this side writes.
    pub(crate) fn out_at(&self, line: u64) -> usize {
        self.at(self.terms.side, line)
    }

    fn at(&self, side: Side, line: u64) -> usize {
        let ring = if side == Side::Listening { WORDS } else { WORDS + self.terms.ring };
        ring + (line % self.lines()) as usize * 64
    }

    /// Writes the bytes of a frame where the next record belongs, and shows them to nobody.
    pub(crate) fn lay(&self, frame: &[u8]) {
        let at = self.out_at(self.written) + 16;
        let end = self.out_at(0) + self.terms.ring;
        let (first, rest) = frame.split_at(frame.len().min(end - at));
        self.region.write(at, first);
        self.region.write(self.out_at(0), rest);
    }

    /// Shows a record at the next line, with this head.
    pub(crate) fn show(&self, (stamp, check): (u32, u32), length: u32, reserved: u32) {
        let at = self.out_at(self.written);
        self.region.store(at + 8, length);
        self.region.store(at + 12, reserved);
        self.region.store(at + 4, check);
        self.region.store(at, stamp);
    }

    /// Writes a frame as the rules are, and waits until there is room for it.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        let lines = (frame.len() as u64 + 16).div_ceil(64);
        let began = Instant::now();
        loop {
            let freed = self.region.load(self.theirs().freed);
            let used = (self.written as u32).wrapping_sub(freed);
            if u64::from(used) + lines < self.lines() || self.is_over() {
                break;
            }
            self.knock();
            assert!(began.elapsed() < LIMIT, "the victim reads nothing");
            std::thread::yield_now();
        }
        self.lay(frame);
        self.show(self.seal(self.written), frame.len() as u32, 0);
        self.written += lines;
    }

    /// Writes a frame and sees to it that it is read.
    pub(crate) fn say(&mut self, frame: &[u8]) {
        self.push(frame);
        self.knock();
    }

    /// Rings if the other side sleeps and was not rung for, as the rules are.
    pub(crate) fn knock(&self) {
        let sleep = self.region.load(self.theirs().sleep);
        if sleep % 2 == 1 && self.region.load(self.mine().seen) != sleep {
            self.region.store(self.mine().seen, sleep);
            self.ring();
        }
    }

    /// Rings, whether there is a reason or not; `false`: nobody hears it.
    pub(crate) fn ring(&self) -> bool {
        match &self.terms.bells {
            Some(bells) => rustix::io::write(self.their_bell(bells), &1_u64.to_ne_bytes()).is_ok(),
            None => send(&self.terms.socket, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_ok(),
        }
    }

    pub(crate) fn their_bell<'a>(&self, bells: &'a [OwnedFd; 2]) -> &'a OwnedFd {
        &bells[usize::from(self.terms.side == Side::Listening)]
    }

    /// The next frame if it is there; its room is given back only by [`free`](End::free).
    pub(crate) fn look(&mut self) -> Option<Frame> {
        let side = if self.terms.side == Side::Listening { Side::Connecting } else { Side::Listening };
        let at = self.at(side, self.read);
        let key = self.terms.keys[usize::from(side == Side::Connecting)];
        let (stamp, check) = seal(key, self.read);
        if self.region.load(at) != stamp || self.region.load(at + 4) != check {
            return None;
        }
        let length = self.region.load(at + 8);
        if length == END {
            return None;
        }
        let length = length as usize;
        let first = length.min(self.at(side, 0) + self.terms.ring - at - 16);
        let mut bytes = self.region.read(at + 16, first);
        bytes.extend(self.region.read(self.at(side, 0), length - first));
        self.read += (length as u64 + 16).div_ceil(64);
        self.taken = self.taken.wrapping_add(1);
        Some(Frame(bytes))
    }

    /// Tells the other side what was read.
    pub(crate) fn free(&self) {
        self.region.store(self.mine().taken, self.taken);
        self.region.store(self.mine().freed, self.read as u32);
        self.knock();
    }

    /// The next frame, or nothing if the other side has let go.
    pub(crate) fn hear(&mut self) -> Option<Frame> {
        let (began, mut again) = (Instant::now(), AGAIN);
        loop {
            let is_over = self.is_over();
            if let Some(frame) = self.look() {
                self.free();
                return Some(frame);
            }
            if is_over {
                return None;
            }
            // In case words were falsified by which the other side is known to sleep.
            if began.elapsed() > again {
                self.ring();
                again += AGAIN;
            }
            assert!(began.elapsed() < LIMIT, "the victim says nothing");
            std::thread::yield_now();
        }
    }

    /// The next frame of this kind; others are passed over.
    pub(crate) fn await_kind(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.hear()?;
            if frame.kind() == kind {
                return Some(frame);
            }
        }
    }

    /// A number for a call.
    pub(crate) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Makes a call and gives its verdict, unless the other side lets go.
    pub(crate) fn call(&mut self, method: u16, arguments: &[u8]) -> Option<Frame> {
        let number = self.number();
        self.say(&frames::call(number, method, arguments));
        loop {
            let frame = self.hear()?;
            let is_verdict = [frames::REPLY, frames::ERROR, frames::CANCELLED].contains(&frame.kind());
            if is_verdict && frame.call() == number {
                return Some(frame);
            }
        }
    }

    /// Whether an honest call is still answered.
    pub(crate) fn is_served(&mut self) -> bool {
        self.call(frames::ADD, &[20, 22])
            .is_some_and(|frame| frame.kind() == frames::REPLY && frame.payload() == [42])
    }

    /// Whether the other side has let go of the socket.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended_within(Duration::ZERO)
    }

    /// Waits until the other side lets go.
    pub(crate) fn await_end(&self) {
        assert!(self.has_ended_within(LIMIT), "the victim does not let go");
    }

    fn has_ended_within(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).expect("a short time");
        let mut fds = [PollFd::new(&self.terms.socket, PollFlags::RDHUP)];
        matches!(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&time))), Ok(1..))
    }

    /// Sends bytes over the socket, as long as it takes them.
    pub(crate) fn spill(&self, bytes: &[u8]) -> usize {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let parts = [IoSlice::new(bytes)];
        rustix::net::sendmsg(&self.terms.socket, &parts, &mut Default::default(), flags).unwrap_or(0)
    }
}

fn seal(key: u64, line: u64) -> (u32, u32) {
    let mut m = key.wrapping_add(line);
    for _ in 0..2 {
        m ^= m >> 32;
        m = m.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    m ^= m >> 32;
    ((m >> 32) as u32, m as u32)
}
