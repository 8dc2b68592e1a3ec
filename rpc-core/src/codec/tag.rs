//! What is chosen by a value's type alone: how it is read, and how one is written that is given away.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Serializer;

use super::{Bulk, BulkSeed, Codec, Encoding, PlainSeed};
use crate::buffers;

/// Bytes below which a copy costs less than a frame of their own for what stands in front of them.
const LARGE: usize = 16 * 1024;

/// A type whose seed is to be chosen.
///
/// ```
/// use farcall_core::codec::{BulkSeed, PlainSeed, SeedBulk as _, SeedPlain as _, Tag};
/// let _: BulkSeed = (&&Tag::<Vec<u8>>::new()).seed();
/// let _: PlainSeed<String> = (&&Tag::<String>::new()).seed();
/// ```
#[derive(Debug)]
pub struct Tag<T>(PhantomData<fn() -> T>);

impl<T> Tag<T> {
    /// The tag of `T`.
    pub const fn new() -> Self {
        Tag(PhantomData)
    }
}

impl<T> Tag<T> {
    /// The tag of this value's type.
    pub const fn of(_: &T) -> Self {
        Tag(PhantomData)
    }
}

impl<T> Default for Tag<T> {
    fn default() -> Self {
        Tag::new()
    }
}

/// The first try: bytes.
pub trait SeedBulk {
    /// The reader of bytes.
    fn seed(&self) -> BulkSeed;
}

impl SeedBulk for &Tag<Vec<u8>> {
    fn seed(&self) -> BulkSeed {
        BulkSeed
    }
}

/// The second try: anything.
pub trait SeedPlain {
    /// The type to read.
    type Value;

    /// The reader of this type.
    fn seed(&self) -> PlainSeed<Self::Value>;
}

impl<T: DeserializeOwned> SeedPlain for Tag<T> {
    type Value = T;

    fn seed(&self) -> PlainSeed<T> {
        PlainSeed::new()
    }
}

/// Bytes that are given away.
#[derive(Debug)]
pub struct OwnedBulk(Vec<u8>);

impl Serialize for OwnedBulk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bulk(&self.0).serialize(serializer)
    }
}

impl Encoding for OwnedBulk {
    fn size_hint(&self) -> usize {
        self.0.len()
    }

    fn into_bytes(self, codec: Codec) -> Result<(Vec<u8>, Vec<u8>), Self> {
        if self.0.len() < LARGE {
            return Err(self);
        }
        let mut front = buffers::take(0);
        if codec.put_front(self.0.len(), &mut front) {
            return Ok((front, self.0));
        }
        buffers::give(front);
        Err(self)
    }
}

/// A value that is given away and written as its `Serialize` says.
#[derive(Debug)]
pub struct OwnedPlain<T>(T);

impl<T: Serialize> Serialize for OwnedPlain<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Serialize> Encoding for OwnedPlain<T> {
    fn size_hint(&self) -> usize {
        0
    }
}

/// The first try: bytes.
pub trait GiveBulk {
    /// The value as bytes.
    fn given(&self, value: Vec<u8>) -> OwnedBulk;
}

impl GiveBulk for &Tag<Vec<u8>> {
    fn given(&self, value: Vec<u8>) -> OwnedBulk {
        OwnedBulk(value)
    }
}

/// The second try: anything.
pub trait GivePlain {
    /// The value's type.
    type Value: Serialize;

    /// The value as it is.
    fn given(&self, value: Self::Value) -> OwnedPlain<Self::Value>;
}

impl<T: Serialize> GivePlain for Tag<T> {
    type Value = T;

    fn given(&self, value: T) -> OwnedPlain<T> {
        OwnedPlain(value)
    }
}
