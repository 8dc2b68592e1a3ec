//! Readers of single values: owned, borrowed text, and what may be missing.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Visitor};

use super::Reader;

/// Reads a `T` as its `Deserialize` says.
pub struct PlainSeed<T>(PhantomData<fn() -> T>);

impl<T> PlainSeed<T> {
    /// The reader of a `T`.
    pub const fn new() -> Self {
        PlainSeed(PhantomData)
    }
}

impl<T> Clone for PlainSeed<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PlainSeed<T> {}

impl<T> Default for PlainSeed<T> {
    fn default() -> Self {
        PlainSeed::new()
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PlainSeed<T> {
    type Value = T;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Reader<'de> for PlainSeed<T> {}

/// Reads text for a `&str` argument, without a copy unless the codec had to unescape it.
#[derive(Clone, Copy, Debug)]
pub struct StrSeed;

impl<'de> DeserializeSeed<'de> for StrSeed {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(StrVisitor)
    }
}

struct StrVisitor;

impl<'de> Visitor<'de> for StrVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(v.to_owned()))
    }

    fn visit_string<E: Error>(self, v: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(v))
    }
}

/// Reads what another seed reads, or its absence: for `Option<&str>` and `Option<&[u8]>`.
#[derive(Clone, Copy, Debug)]
pub struct OptionSeed<S>(pub S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for OptionSeed<S> {
    type Value = Option<S::Value>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<S::Value>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for OptionSeed<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an option")
    }

    fn visit_none<E: Error>(self) -> Result<Option<S::Value>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<S::Value>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<S::Value>, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}
