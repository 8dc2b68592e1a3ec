//! Bytes in one copy: written and read as bytes, not as a sequence of numbers.
//!
//! bincode and postcard write both alike. Where a codec does not (MessagePack), each side reads what either wrote.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Codec;
use crate::message::Apart;

/// Borrowed bytes on their way out.
#[derive(Clone, Copy, Debug)]
pub struct Bulk<'a>(pub &'a [u8]);

impl Serialize for Bulk<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// A reader that may find its value lying there whole.
pub trait Reader<'de>: DeserializeSeed<'de> {
    /// The value, if `message` is nothing but bytes and what is written in front of them, and the value is those bytes.
    fn take(&self, codec: Codec, message: &mut Apart) -> Option<Self::Value> {
        let _ = (codec, message);
        None
    }
}

/// Reads owned bytes.
#[derive(Clone, Copy, Debug)]
pub struct BulkSeed;

impl Reader<'_> for BulkSeed {
    fn take(&self, codec: Codec, message: &mut Apart) -> Option<Vec<u8>> {
        let is_all = codec.is_front(&message.front, message.bytes.len());
        is_all.then(|| std::mem::take(&mut message.bytes))
    }
}

impl<'de> DeserializeSeed<'de> for BulkSeed {
    type Value = Vec<u8>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(BulkVisitor)
    }
}

struct BulkVisitor;

impl<'de> Visitor<'de> for BulkVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<Vec<u8>, E> {
        Ok(v.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, v: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(v)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0));
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// Reads bytes for a `&[u8]` argument, without a copy where the codec writes them in one piece.
#[derive(Clone, Copy, Debug)]
pub struct BytesSeed;

impl<'de> DeserializeSeed<'de> for BytesSeed {
    type Value = Cow<'de, [u8]>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, [u8]>, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BulkVisitor.expecting(f)
    }

    fn visit_borrowed_bytes<E: Error>(self, v: &'de [u8]) -> Result<Cow<'de, [u8]>, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<Cow<'de, [u8]>, E> {
        BulkVisitor.visit_bytes(v).map(Cow::Owned)
    }

    fn visit_byte_buf<E: Error>(self, v: Vec<u8>) -> Result<Cow<'de, [u8]>, E> {
        Ok(Cow::Owned(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Cow<'de, [u8]>, A::Error> {
        BulkVisitor.visit_seq(seq).map(Cow::Owned)
    }
}
