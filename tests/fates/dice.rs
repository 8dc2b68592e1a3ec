//! Chance that can be repeated.

/// A small generator of numbers that look random (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed | 1)
    }

    /// Another, whose course depends on this one's.
    pub(crate) fn split(&mut self) -> Dice {
        Dice::new(self.below(u64::MAX))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Mostly small; now and then a message of several fragments.
    pub(crate) fn ballast(&mut self) -> Vec<u8> {
        let size = if self.below(16) == 0 { 300_000 } else { self.below(64) };
        vec![1; size as usize]
    }
}
