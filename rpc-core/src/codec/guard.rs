//! The account of one decoding: what is left of its limits, and which of them was crossed.
//!
//! Whatever a type owns on the heap is charged before it is decoded further: an element of a collection with its size,
//! an owned string with its length, and a value that is larger than the place it is decoded for (so it is in a box) with
//! the difference. Elements that a collection was told to expect are charged together when the first of them shows their
//! size, before anything is decoded below it: nested promises cannot add up. What an allocator rounds up, and the room
//! into which a growing collection moves, come on top: at most about three times what is charged.

use std::cell::Cell;
use std::mem::size_of;

use serde::de::{DeserializeSeed, Deserializer, Error};

use super::{CodecError, DecodeLimits};

mod access;
mod deserializer;
mod visitor;

use deserializer::Guarded;

/// A collection is told to expect at most this part of what is left of the budget, in elements.
const PROMISED_PART: usize = 64;

/// What of the limits of one message is used up.
pub(super) struct Guard<'l> {
    limits: &'l DecodeLimits,
    charged: Cell<usize>,
    zero_sized: Cell<usize>,
    crossed: Cell<Option<Crossed>>,
}

#[derive(Clone, Copy)]
enum Crossed {
    Depth,
    Budget,
    ZeroSized,
}

impl<'l> Guard<'l> {
    #[inline]
    pub(super) fn new(limits: &'l DecodeLimits) -> Self {
        Guard { limits, charged: Cell::new(0), zero_sized: Cell::new(0), crossed: Cell::new(None) }
    }

    /// The same seed, decoding under this guard.
    #[inline]
    pub(super) fn seed<S>(&self, seed: S) -> Root<'_, S> {
        Root { guard: self, seed }
    }

    /// Whether a limit was crossed, even if a type has made a value of it.
    #[inline]
    pub(super) fn crossed(&self) -> bool {
        self.crossed.get().is_some()
    }

    /// The limit that was crossed, in words.
    #[cold]
    pub(super) fn verdict(&self) -> CodecError {
        match self.crossed.get() {
            Some(Crossed::Depth) => CodecError::depth(self.limits),
            Some(Crossed::ZeroSized) => CodecError::zero_sized(self.limits),
            Some(Crossed::Budget) | None => CodecError::budget(self.limits),
        }
    }

    #[cold]
    fn cross<E: Error>(&self, crossed: Crossed) -> E {
        self.charged.set(self.limits.budget);
        self.crossed.set(Some(self.crossed.get().unwrap_or(crossed)));
        E::custom("a limit of decoding was crossed")
    }

    /// Bytes that may still be charged.
    #[inline]
    fn left(&self) -> usize {
        self.limits.budget - self.charged.get()
    }

    #[inline]
    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        if bytes > self.left() {
            return Err(self.cross(Crossed::Budget));
        }
        self.charged.set(self.charged.get() + bytes);
        Ok(())
    }

    #[inline]
    fn count_zero_sized<E: Error>(&self) -> Result<(), E> {
        if self.zero_sized.get() == self.limits.zero_sized {
            return Err(self.cross(Crossed::ZeroSized));
        }
        self.zero_sized.set(self.zero_sized.get() + 1);
        Ok(())
    }
}

/// The outermost seed.
pub(super) struct Root<'g, S> {
    guard: &'g Guard<'g>,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Root<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let level = Level { guard: self.guard, depth: self.guard.limits.depth };
        self.seed.deserialize(Guarded::<D, S::Value>::new(inner, level))
    }
}

/// Where in the value decoding stands.
#[derive(Clone, Copy)]
struct Level<'g> {
    guard: &'g Guard<'g>,
    /// Levels that may still be opened.
    depth: u32,
}

impl Level<'_> {
    /// One level further down.
    #[inline]
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Level { depth, ..self }),
            None => Err(self.guard.cross(Crossed::Depth)),
        }
    }
}

/// Who pays for the elements of a sequence, the keys of a map, or its values.
struct Account {
    /// Bytes that are charged already.
    prepaid: usize,
    /// Elements that somebody was told to expect and that are not charged.
    promised: Cell<usize>,
    zero_sized: ZeroSized,
}

#[derive(Clone, Copy)]
enum ZeroSized {
    Counted,
    Free,
}

impl Account {
    /// Fields that lie inside a `T`, which is charged already.
    fn inside<T>() -> Self {
        Account { prepaid: size_of::<T>(), promised: Cell::new(0), zero_sized: ZeroSized::Free }
    }

    /// Elements of a collection.
    fn elements() -> Self {
        Account { prepaid: 0, promised: Cell::new(0), zero_sized: ZeroSized::Counted }
    }

    /// Values of a map whose keys are elements.
    fn values() -> Self {
        Account { zero_sized: ZeroSized::Free, ..Account::elements() }
    }

    /// Names of fields: they stay nowhere.
    fn names() -> Self {
        Account { prepaid: usize::MAX, ..Account::values() }
    }

    /// What a collection may be told about its length.
    #[inline]
    fn promise(&self, claimed: Option<usize>, guard: &Guard<'_>) -> Option<usize> {
        let promised = claimed?.min(guard.left() / PROMISED_PART);
        self.promised.set(promised);
        Some(promised)
    }

    /// Pays for one `T`.
    #[inline]
    fn pay<T, E: Error>(&mut self, guard: &Guard<'_>) -> Result<(), E> {
        let size = size_of::<T>();
        let promised = self.promised.take();
        if promised > 0 {
            let bytes = promised.saturating_mul(size);
            guard.charge(bytes)?;
            self.prepaid = self.prepaid.saturating_add(bytes);
        }
        match (size, self.zero_sized) {
            (0, ZeroSized::Free) => Ok(()),
            (0, ZeroSized::Counted) => guard.charge(1).and_then(|()| guard.count_zero_sized()),
            _ => match self.prepaid.checked_sub(size) {
                Some(left) => {
                    self.prepaid = left;
                    Ok(())
                }
                None => guard.charge(size),
            },
        }
    }
}
