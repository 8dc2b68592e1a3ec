//! Encoding to a bounded depth: a value that is nested deeper is refused before the stack ends.
//!
//! The levels are those of decoding, so that what one side may send the other may read. How many are left is passed down
//! by value: for a type that does not contain itself all of this is known at compile time.

use std::cell::Cell;
use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Notes that one encoding went too deep.
pub(super) struct Watch {
    limit: u32,
    tripped: Cell<bool>,
}

impl Watch {
    pub(super) fn new(limit: u32) -> Self {
        Watch { limit, tripped: Cell::new(false) }
    }

    /// Levels that may be opened.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn tripped(&self) -> bool {
        self.tripped.get()
    }
}

/// A value, or a serializer, and the levels that may be opened below it.
pub(super) struct Shallow<'w, T> {
    inner: T,
    left: u32,
    watch: &'w Watch,
}

impl<'w, T> Shallow<'w, T> {
    pub(super) fn new(inner: T, watch: &'w Watch) -> Self {
        Shallow { inner, left: watch.limit, watch }
    }

    #[inline]
    fn beside<U>(&self, inner: U) -> Shallow<'w, U> {
        Shallow { inner, left: self.left, watch: self.watch }
    }

    #[inline]
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Shallow { left, ..self }),
            None => {
                self.watch.tripped.set(true);
                Err(E::custom("nested too deep"))
            }
        }
    }

    #[inline]
    fn map<U, E>(self, open: impl FnOnce(T) -> Result<U, E>) -> Result<Shallow<'w, U>, E> {
        let Shallow { inner, left, watch } = self;
        Ok(Shallow { inner: open(inner)?, left, watch })
    }
}

impl<T: Serialize + ?Sized> Serialize for Shallow<'_, &T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(self.beside(serializer))
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method(self, v: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(v)
        }
    )*};
}

macro_rules! compounds {
    ($($method:ident($($arg:ident: $type:ty),*) -> $compound:ident;)*) => {$(
        #[inline]
        fn $method(self, $($arg: $type),*) -> Result<Self::$compound, S::Error> {
            self.deeper()?.map(|inner| inner.$method($($arg),*))
        }
    )*};
}

impl<'w, S: Serializer> Serializer for Shallow<'w, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Shallow<'w, S::SerializeSeq>;
    type SerializeTuple = Shallow<'w, S::SerializeTuple>;
    type SerializeTupleStruct = Shallow<'w, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Shallow<'w, S::SerializeTupleVariant>;
    type SerializeMap = Shallow<'w, S::SerializeMap>;
    type SerializeStruct = Shallow<'w, S::SerializeStruct>;
    type SerializeStructVariant = Shallow<'w, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(bool);
        serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64); serialize_i128(i128);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_u128(u128);
        serialize_f32(f32); serialize_f64(f64);
        serialize_char(char); serialize_str(&str); serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    compounds! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant;
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let this = self.deeper()?;
        let value = this.beside(value);
        this.inner.serialize_some(&value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    // Not a level: a newtype alone cannot contain itself.
    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.beside(value);
        self.inner.serialize_newtype_struct(name, &value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let this = self.deeper()?;
        let value = this.beside(value);
        this.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The compounds: each passes its parts on with the levels that are left.
macro_rules! parts {
    ($($trait:ident { $($method:ident($($key:ident: $type:ty)?);)* $(+ $skip:ident)? })*) => {$(
        impl<S: $trait> $trait for Shallow<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(
                #[inline]
                fn $method<T: Serialize + ?Sized>(&mut self, $($key: $type,)? value: &T) -> Result<(), S::Error> {
                    let value = self.beside(value);
                    self.inner.$method($($key,)? &value)
                }
            )*

            $(
                #[inline]
                fn $skip(&mut self, key: &'static str) -> Result<(), S::Error> {
                    self.inner.$skip(key)
                }
            )?

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

parts! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(key: &'static str); + skip_field }
    SerializeStructVariant { serialize_field(key: &'static str); + skip_field }
}
