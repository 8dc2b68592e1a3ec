//! A visitor under guard: it charges what is owned and opens levels.

use std::fmt;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::access::{WatchedEnum, WatchedMap, WatchedSeq};
use super::deserializer::Guarded;
use super::{Account, Level};

/// What a value keeps of the things it is given.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Holds {
    /// A known number of fields, inside itself.
    Fields,
    /// Any number of elements, on the heap.
    Elements,
    /// A borrow, or nothing. Given a sequence nevertheless, it holds elements.
    Nothing,
}

/// A visitor that is charged.
pub(super) struct Watched<'g, V> {
    pub(super) inner: V,
    pub(super) level: Level<'g>,
    pub(super) holds: Holds,
}

impl<'de, V: Visitor<'de>> Watched<'_, V> {
    #[inline]
    fn account(&self) -> Account {
        match self.holds {
            Holds::Fields => Account::inside::<V::Value>(),
            Holds::Elements | Holds::Nothing => Account::elements(),
        }
    }

    #[inline]
    fn charge_borrowed<E: Error>(&self, len: usize) -> Result<(), E> {
        if self.holds == Holds::Elements { self.level.guard.charge(len) } else { Ok(()) }
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, v: $type) -> Result<V::Value, E> {
            self.inner.$method(v)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    scalars! {
        visit_bool(bool);
        visit_i8(i8); visit_i16(i16); visit_i32(i32); visit_i64(i64); visit_i128(i128);
        visit_u8(u8); visit_u16(u16); visit_u32(u32); visit_u64(u64); visit_u128(u128);
        visit_f32(f32); visit_f64(f64);
        visit_char(char);
    }

    #[inline]
    fn visit_str<E: Error>(self, v: &str) -> Result<V::Value, E> {
        self.level.guard.charge(v.len())?;
        self.inner.visit_str(v)
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<V::Value, E> {
        self.charge_borrowed(v.len())?;
        self.inner.visit_borrowed_str(v)
    }

    #[inline]
    fn visit_string<E: Error>(self, v: String) -> Result<V::Value, E> {
        self.level.guard.charge(v.len())?;
        self.inner.visit_string(v)
    }

    #[inline]
    fn visit_bytes<E: Error>(self, v: &[u8]) -> Result<V::Value, E> {
        self.level.guard.charge(v.len())?;
        self.inner.visit_bytes(v)
    }

    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, v: &'de [u8]) -> Result<V::Value, E> {
        self.charge_borrowed(v.len())?;
        self.inner.visit_borrowed_bytes(v)
    }

    #[inline]
    fn visit_byte_buf<E: Error>(self, v: Vec<u8>) -> Result<V::Value, E> {
        self.level.guard.charge(v.len())?;
        self.inner.visit_byte_buf(v)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let level = self.level.deeper()?;
        self.inner.visit_some(Guarded { inner, level })
    }

    // Not a level: a newtype alone cannot contain itself.
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let level = self.level;
        self.inner.visit_newtype_struct(Guarded { inner, level })
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level.deeper()?;
        let account = self.account();
        self.inner.visit_seq(WatchedSeq { inner, level, account })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level.deeper()?;
        let (keys, values) = match self.holds {
            Holds::Fields => (Account::names(), self.account()),
            Holds::Elements | Holds::Nothing => (Account::elements(), Account::values()),
        };
        self.inner.visit_map(WatchedMap { inner, level, keys, values })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level;
        self.inner.visit_enum(WatchedEnum { inner, level })
    }
}
