//! A deserializer under guard: it hands every visitor that may go deeper a guarded one.

use std::marker::PhantomData;
use std::mem::size_of;

use serde::de::{Deserializer, Visitor};

use super::Level;
use super::visitor::{Elements, Fields, Nothing, Watched};

/// A deserializer whose values are charged, for a place that holds a `P`, which is charged already.
pub(super) struct Guarded<'g, D, P> {
    inner: D,
    level: Level<'g>,
    place: PhantomData<fn() -> P>,
}

impl<'g, D, P> Guarded<'g, D, P> {
    #[inline]
    pub(super) fn new(inner: D, level: Level<'g>) -> Self {
        Guarded { inner, level, place: PhantomData }
    }
}

impl<'de, 'g, D: Deserializer<'de>, P> Guarded<'g, D, P> {
    /// A value that does not fit into its place is behind a pointer.
    #[inline]
    fn watch<V: Visitor<'de>, H>(self, visitor: V) -> Result<(D, Watched<'g, V, H>), D::Error> {
        let beyond = size_of::<V::Value>().saturating_sub(size_of::<P>());
        if beyond > 0 {
            self.level.guard.charge(beyond)?;
        }
        Ok((self.inner, Watched::new(visitor, self.level)))
    }
}

/// Methods whose visitors see numbers only.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

/// Methods that are passed on, possibly as another one that reads the same bytes without owning them.
macro_rules! watched {
    ($($method:ident => $passed:ident($($arg:ident: $type:ty),*), $holds:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let (inner, visitor) = self.watch::<V, $holds>(visitor)?;
            inner.$passed($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>, P> Deserializer<'de> for Guarded<'_, D, P> {
    type Error = D::Error;

    numbers! {
        deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    // An owned string would be allocated by the codec from its declared length: it is borrowed, charged and copied.
    watched! {
        deserialize_any => deserialize_any(), Elements;
        deserialize_char => deserialize_char(), Nothing;
        deserialize_str => deserialize_str(), Nothing;
        deserialize_string => deserialize_str(), Elements;
        deserialize_bytes => deserialize_bytes(), Nothing;
        deserialize_byte_buf => deserialize_bytes(), Elements;
        deserialize_option => deserialize_option(), Fields;
        deserialize_unit => deserialize_unit(), Nothing;
        deserialize_unit_struct => deserialize_unit_struct(name: &'static str), Nothing;
        deserialize_newtype_struct => deserialize_newtype_struct(name: &'static str), Fields;
        deserialize_seq => deserialize_seq(), Elements;
        deserialize_tuple => deserialize_tuple(len: usize), Fields;
        deserialize_tuple_struct => deserialize_tuple_struct(name: &'static str, len: usize), Fields;
        deserialize_map => deserialize_map(), Elements;
        deserialize_struct => deserialize_struct(name: &'static str, fields: &'static [&'static str]), Fields;
        deserialize_enum => deserialize_enum(name: &'static str, variants: &'static [&'static str]), Fields;
        deserialize_identifier => deserialize_identifier(), Nothing;
        deserialize_ignored_any => deserialize_ignored_any(), Fields;
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
