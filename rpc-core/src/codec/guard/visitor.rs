//! A visitor under guard: it charges what is owned and opens levels.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::access::{WatchedEnum, WatchedMap, WatchedSeq};
use super::deserializer::Guarded;
use super::{Account, Level};

/// What a value keeps of the things it is given.
pub(super) trait Holds {
    /// Whether it keeps a copy of what it could borrow.
    const COPIES: bool;

    /// Who pays for the parts of a sequence that becomes a `T`.
    fn parts<T>() -> Account;

    /// Who pays for the keys and the values of a map that becomes a `T`.
    fn pairs<T>() -> (Account, Account);
}

/// A known number of fields, inside itself.
pub(super) struct Fields;

impl Holds for Fields {
    const COPIES: bool = false;

    #[inline]
    fn parts<T>() -> Account {
        Account::inside::<T>()
    }

    #[inline]
    fn pairs<T>() -> (Account, Account) {
        (Account::names(), Account::inside::<T>())
    }
}

/// Any number of elements, on the heap.
pub(super) struct Elements;

impl Holds for Elements {
    const COPIES: bool = true;

    #[inline]
    fn parts<T>() -> Account {
        Account::elements()
    }

    #[inline]
    fn pairs<T>() -> (Account, Account) {
        (Account::elements(), Account::values())
    }
}

/// A borrow, or nothing. Given a sequence nevertheless, it holds elements.
pub(super) struct Nothing;

impl Holds for Nothing {
    const COPIES: bool = false;

    #[inline]
    fn parts<T>() -> Account {
        Elements::parts::<T>()
    }

    #[inline]
    fn pairs<T>() -> (Account, Account) {
        Elements::pairs::<T>()
    }
}

/// A visitor that is charged for what it holds.
pub(super) struct Watched<'g, V, H> {
    inner: V,
    level: Level<'g>,
    holds: PhantomData<fn() -> H>,
}

impl<'g, V, H> Watched<'g, V, H> {
    #[inline]
    pub(super) fn new(inner: V, level: Level<'g>) -> Self {
        Watched { inner, level, holds: PhantomData }
    }
}

impl<V, H: Holds> Watched<'_, V, H> {
    #[inline]
    fn charge_borrowed<E: Error>(&self, len: usize) -> Result<(), E> {
        if H::COPIES { self.level.guard.charge(len) } else { Ok(()) }
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

impl<'de, V: Visitor<'de>, H: Holds> Visitor<'de> for Watched<'_, V, H> {
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
        self.inner.visit_some(Guarded::<D, V::Value>::new(inner, level))
    }

    // Not a level: a newtype alone cannot contain itself.
    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Guarded::<D, V::Value>::new(inner, self.level))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level.deeper()?;
        let account = H::parts::<V::Value>();
        self.inner.visit_seq(WatchedSeq { inner, level, account })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level.deeper()?;
        let (keys, values) = H::pairs::<V::Value>();
        self.inner.visit_map(WatchedMap { inner, level, keys, values })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let level = self.level;
        self.inner.visit_enum(WatchedEnum { inner, level })
    }
}
