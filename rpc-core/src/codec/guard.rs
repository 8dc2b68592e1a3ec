//! The account of one decoding: what is left of its limits, and which of them was crossed.
//!
//! Whatever a type owns on the heap is charged before it is decoded further: an element of a collection with its size,
//! an owned string with its length, and a value that is larger than the place it is decoded for (so it is in a box) with
//! the difference. Elements that a collection was told to expect are charged together when the first of them shows their
//! size, before anything is decoded below it: nested promises cannot add up.

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

/// What is left of the limits of one message.
pub(super) struct Guard {
    budget: Cell<usize>,
    zero_sized: Cell<usize>,
    crossed: Cell<Option<Crossed>>,
    limits: DecodeLimits,
}

#[derive(Clone, Copy)]
enum Crossed {
    Depth,
    Budget,
    ZeroSized,
}

impl Guard {
    pub(super) fn new(limits: DecodeLimits) -> Self {
        Guard {
            budget: Cell::new(limits.budget),
            zero_sized: Cell::new(limits.zero_sized),
            crossed: Cell::new(None),
            limits,
        }
    }

    /// The same seed, decoding under this guard.
    pub(super) fn seed<S>(&self, seed: S) -> Root<'_, S> {
        Root { guard: self, seed }
    }

    /// The limit that was crossed, even if a type has made a value of it.
    pub(super) fn verdict(&self) -> Option<CodecError> {
        self.crossed.get().map(|crossed| self.sentence(crossed))
    }

    #[cold]
    fn sentence(&self, crossed: Crossed) -> CodecError {
        match crossed {
            Crossed::Depth => CodecError::depth(&self.limits),
            Crossed::Budget => CodecError::budget(&self.limits),
            Crossed::ZeroSized => CodecError::zero_sized(&self.limits),
        }
    }

    #[cold]
    fn cross<E: Error>(&self, crossed: Crossed) -> E {
        self.budget.set(0);
        self.crossed.set(Some(self.crossed.get().unwrap_or(crossed)));
        E::custom("a limit of decoding was crossed")
    }

    #[inline]
    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(bytes) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(self.cross(Crossed::Budget)),
        }
    }

    #[inline]
    fn count_zero_sized<E: Error>(&self) -> Result<(), E> {
        match self.zero_sized.get().checked_sub(1) {
            Some(left) => {
                self.zero_sized.set(left);
                Ok(())
            }
            None => Err(self.cross(Crossed::ZeroSized)),
        }
    }
}

/// The outermost seed.
pub(super) struct Root<'g, S> {
    guard: &'g Guard,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Root<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let depth = self.guard.limits.depth;
        let level = Level { guard: self.guard, depth, place: size_of::<S::Value>() };
        self.seed.deserialize(Guarded { inner, level })
    }
}

/// Where in the value decoding stands.
#[derive(Clone, Copy)]
struct Level<'g> {
    guard: &'g Guard,
    /// Levels that may still be opened.
    depth: u32,
    /// Bytes of the place that the value is decoded for; they are charged already.
    place: usize,
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

    /// At a `T`. If it does not fit into its place, it is behind a pointer.
    #[inline]
    fn at<T, E: Error>(self) -> Result<Self, E> {
        let size = size_of::<T>();
        if size > self.place {
            self.guard.charge(size - self.place)?;
        }
        Ok(Level { place: size, ..self })
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
    fn promise(&self, claimed: Option<usize>, guard: &Guard) -> Option<usize> {
        let promised = claimed?.min(guard.budget.get() / PROMISED_PART);
        self.promised.set(promised);
        Some(promised)
    }

    /// Pays for one `T`.
    #[inline]
    fn pay<T, E: Error>(&mut self, guard: &Guard) -> Result<(), E> {
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
