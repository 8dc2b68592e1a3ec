//! The layout: where in the region what stands, and who writes it.
//!
//! | bytes from the start | what | written by |
//! |---|---|---|
//! | 0, 4 | frames taken, lines freed, of what the connector writes | listener |
//! | 128, 132 | does the listener sleep, which sleep of the connector it has seen | listener |
//! | 256, 260 | frames taken, lines freed, of what the listener writes | connector |
//! | 384, 388 | does the connector sleep, which sleep of the listener it has seen | connector |
//! | 4096 | the ring that the listener writes | listener |
//! | 4096 + ring | the ring that the connector writes | connector |
//!
//! All words have 32 bits, and one writer. Words of different writers or of different use are 128 bytes apart, since
//! processors fetch lines in pairs.

use farcall_core::limits::{MAX_FRAME, RINGS};

use super::Side;

/// Bytes of a line: a record begins on one, and processors hand them over whole.
pub(super) const LINE: usize = 64;

/// Bytes of a record before the frame: stamp, check, length, reserved.
pub(super) const HEAD: usize = 16;

/// Where in a record's head the words are, in bytes; the stamp is the first.
pub(super) const CHECK: usize = 4;
pub(super) const LENGTH: usize = 8;
pub(super) const RESERVED: usize = 12;

/// Bytes before the first ring: one page, so that rings begin on pages.
const CONTROL: usize = 4096;

/// Where things are in a region. It is private memory: what the region says about itself is never asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    ring_bytes: usize,
    longest: usize,
}

impl Layout {
    /// A region of two rings of this size each; `None` unless the size is a power of two within [`RINGS`].
    pub(crate) fn new(ring_bytes: usize) -> Option<Layout> {
        let (least, most) = RINGS;
        let is_possible = ring_bytes.is_power_of_two() && (least..=most).contains(&ring_bytes);
        let size = ring_bytes.checked_mul(2)?.checked_add(CONTROL)?;
        (is_possible && isize::try_from(size).is_ok()).then_some(Layout { ring_bytes, longest: MAX_FRAME })
    }

    /// A region too small for use, which a model checker can walk through.
    #[cfg(any(test, fuzzing))]
    pub(super) fn tiny(lines: usize, longest: usize) -> Layout {
        assert!(lines.is_power_of_two() && lines_of(longest) <= (lines - lines / 4) as u64);
        Layout { ring_bytes: lines * LINE, longest }
    }

    /// Bytes of the region.
    pub(crate) fn size(self) -> usize {
        CONTROL + 2 * self.ring_bytes
    }

    /// Bytes of one ring.
    pub(crate) fn ring_bytes(self) -> usize {
        self.ring_bytes
    }

    /// Bytes of the longest frame.
    pub(super) fn longest(self) -> usize {
        self.longest
    }

    /// Lines of one ring.
    pub(super) fn lines(self) -> u64 {
        (self.ring_bytes / LINE) as u64
    }

    /// Where the ring begins that `side` writes.
    pub(super) fn ring_of(self, side: Side) -> usize {
        match side {
            Side::Listener => CONTROL,
            Side::Connector => CONTROL + self.ring_bytes,
        }
    }

    /// Where in its ring the line of this position is, in bytes.
    #[inline]
    pub(super) fn offset(self, position: u64) -> usize {
        // Only the lowest bits count, which every usize has.
        (position as usize).wrapping_mul(LINE) & (self.ring_bytes - 1)
    }
}

/// Lines of a record with a frame of so many bytes.
#[inline]
pub(super) fn lines_of(frame: usize) -> u64 {
    // A record has at least its head: so much less than a division that rounds up.
    ((frame + HEAD - 1) / LINE + 1) as u64
}

/// Where `side` counts the frames that it has taken.
pub(super) fn taken_by(side: Side) -> usize {
    block(side)
}

/// Where `side` counts the lines that it has freed.
pub(super) fn head_of(side: Side) -> usize {
    block(side) + 4
}

/// Where `side` says that it sleeps.
pub(super) fn sleep_of(side: Side) -> usize {
    block(side) + 128
}

/// Where `side` says which sleep of its peer it has seen.
pub(super) fn seen_by(side: Side) -> usize {
    block(side) + 132
}

fn block(side: Side) -> usize {
    match side {
        Side::Listener => 0,
        Side::Connector => 256,
    }
}

/// Stamp and check of the record at a position: one to one for each key, and nothing like the bytes that frames hold.
#[inline]
pub(crate) fn seal(key: u64, position: u64) -> (u32, u32) {
    let mut mixed = key.wrapping_add(position);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    mixed ^= mixed >> 32;
    ((mixed >> 32) as u32, mixed as u32)
}
