//! Sequences, maps and enums under guard: each element pays before it is decoded.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::deserializer::Guarded;
use super::visitor::{Fields, Watched};
use super::{Account, Level};

/// A seed that pays for its value; it runs only if there is one.
struct Paying<'a, 'g, S> {
    inner: S,
    level: Level<'g>,
    account: &'a mut Account,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Paying<'_, '_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.account.pay::<S::Value, D::Error>(self.level.guard)?;
        self.inner.deserialize(Guarded::<D, S::Value>::new(inner, self.level))
    }
}

/// A sequence, tuple or struct.
pub(super) struct WatchedSeq<'g, A> {
    pub(super) inner: A,
    pub(super) level: Level<'g>,
    pub(super) account: Account,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for WatchedSeq<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = Paying { inner: seed, level: self.level, account: &mut self.account };
        self.inner.next_element_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.account.promise(self.inner.size_hint(), self.level.guard)
    }
}

/// A map, or a struct with named fields.
pub(super) struct WatchedMap<'g, A> {
    pub(super) inner: A,
    pub(super) level: Level<'g>,
    pub(super) keys: Account,
    pub(super) values: Account,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WatchedMap<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = Paying { inner: seed, level: self.level, account: &mut self.keys };
        self.inner.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = Paying { inner: seed, level: self.level, account: &mut self.values };
        self.inner.next_value_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        let claimed = self.inner.size_hint();
        self.values.promise(claimed, self.level.guard);
        self.keys.promise(claimed, self.level.guard)
    }
}

/// An enum whose variant is not known yet.
pub(super) struct WatchedEnum<'g, A> {
    pub(super) inner: A,
    pub(super) level: Level<'g>,
}

impl<'de, 'g, A: EnumAccess<'de>> EnumAccess<'de> for WatchedEnum<'g, A> {
    type Error = A::Error;
    type Variant = WatchedVariant<'g, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let level = self.level;
        let (tag, inner) = self.inner.variant_seed(seed)?;
        Ok((tag, WatchedVariant { inner, level }))
    }
}

/// What a variant holds.
pub(super) struct WatchedVariant<'g, A> {
    inner: A,
    level: Level<'g>,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for WatchedVariant<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let level = self.level.deeper()?;
        let mut account = Account::inside::<S::Value>();
        self.inner.newtype_variant_seed(Paying { inner: seed, level, account: &mut account })
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Watched::<V, Fields>::new(visitor, self.level))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Watched::<V, Fields>::new(visitor, self.level))
    }
}
