//! Argument lists: tuples of up to sixteen encodings on the way out, of seeds on the way in.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::select::room;
use super::{Codec, CodecError, DecodeLimits, Encoding, decode, encode};

/// The arguments of one call: `()`, `(A,)`, `(A, B)`, … of [`Encoding`]s.
///
/// They are written as a tuple; none at all are zero bytes in a codec that does not describe itself.
///
/// ```
/// # #[cfg(feature = "bincode")] {
/// use farcall_core::codec::{Bulk, Codec, Encodings, Plain};
/// let mut buf = Vec::new();
/// (Plain(&3u32), Bulk(b"ab")).encode(Codec::Bincode, &mut buf)?;
/// assert_eq!(buf, [3, 2, b'a', b'b']);
/// # }
/// # Ok::<(), farcall_core::codec::CodecError>(())
/// ```
pub trait Encodings {
    /// How many there are.
    const LEN: usize;

    /// Bytes that they will take at least; zero if that is not known.
    fn size_hint(&self) -> usize;

    /// Writes each of them.
    ///
    /// # Errors
    /// The serializer's.
    fn serialize_into<T: SerializeTuple>(&self, tuple: &mut T) -> Result<(), T::Error>;

    /// Appends the argument list to `buf`.
    ///
    /// # Errors
    /// As [`encode`].
    fn encode(&self, codec: Codec, buf: &mut Vec<u8>) -> Result<(), CodecError> {
        buf.reserve(room(self.size_hint()));
        encode(codec, &List(self), buf)
    }
}

struct List<'a, A: ?Sized>(&'a A);

impl<A: Encodings + ?Sized> Serialize for List<'_, A> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(A::LEN)?;
        self.0.serialize_into(&mut tuple)?;
        tuple.end()
    }
}

/// The readers of one call's arguments: `()`, `(A,)`, `(A, B)`, … of `DeserializeSeed`s.
///
/// ```
/// # #[cfg(feature = "bincode")] {
/// use farcall_core::codec::{Codec, DecodeLimits, PlainSeed, Seeds, StrSeed};
/// let bytes = [3, 2, b'a', b'b'];
/// let limits = DecodeLimits::for_message(bytes.len());
/// let (number, text) = (PlainSeed::<u32>::new(), StrSeed).decode(Codec::Bincode, &bytes, limits)?;
/// assert_eq!((number, &*text), (3, "ab"));
/// # }
/// # Ok::<(), farcall_core::codec::CodecError>(())
/// ```
pub trait Seeds<'de>: Sized {
    /// What they read.
    type Values;

    /// How many there are.
    const LEN: usize;

    /// Reads each of them.
    ///
    /// # Errors
    /// The deserializer's, or an end before the last.
    fn read_from<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Values, A::Error>;

    /// Reads the argument list from all of `bytes`.
    ///
    /// # Errors
    /// As [`decode`].
    fn decode(
        self,
        codec: Codec,
        bytes: &'de [u8],
        limits: DecodeLimits,
    ) -> Result<Self::Values, CodecError> {
        decode(codec, ListSeed(self), bytes, limits)
    }
}

struct ListSeed<P>(P);

impl<'de, P: Seeds<'de>> DeserializeSeed<'de> for ListSeed<P> {
    type Value = P::Values;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<P::Values, D::Error> {
        deserializer.deserialize_tuple(P::LEN, self)
    }
}

impl<'de, P: Seeds<'de>> Visitor<'de> for ListSeed<P> {
    type Value = P::Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} arguments", P::LEN)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<P::Values, A::Error> {
        self.0.read_from(seq)
    }
}

#[cold]
fn too_few<E: Error>(found: usize, expected: usize) -> E {
    E::custom(format_args!("it ends after {found} of {expected} arguments"))
}

macro_rules! tuple {
    ($len:literal $($at:tt $name:ident)*) => {
        impl<$($name: Encoding),*> Encodings for ($($name,)*) {
            const LEN: usize = $len;

            #[inline]
            fn size_hint(&self) -> usize {
                0usize $(.saturating_add(self.$at.size_hint()))*
            }

            #[inline]
            fn serialize_into<Tuple: SerializeTuple>(&self, _tuple: &mut Tuple) -> Result<(), Tuple::Error> {
                $(_tuple.serialize_element(&self.$at)?;)*
                Ok(())
            }
        }

        impl<'de, $($name: DeserializeSeed<'de>),*> Seeds<'de> for ($($name,)*) {
            type Values = ($($name::Value,)*);

            const LEN: usize = $len;

            #[inline]
            fn read_from<Seq: SeqAccess<'de>>(self, mut _seq: Seq) -> Result<Self::Values, Seq::Error> {
                Ok(($(_seq.next_element_seed(self.$at)?.ok_or_else(|| too_few($at, $len))?,)*))
            }
        }
    };
}

tuple!(0);
tuple!(1 0 A);
tuple!(2 0 A 1 B);
tuple!(3 0 A 1 B 2 C);
tuple!(4 0 A 1 B 2 C 3 D);
tuple!(5 0 A 1 B 2 C 3 D 4 E);
tuple!(6 0 A 1 B 2 C 3 D 4 E 5 F);
tuple!(7 0 A 1 B 2 C 3 D 4 E 5 F 6 G);
tuple!(8 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H);
tuple!(9 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I);
tuple!(10 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J);
tuple!(11 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K);
tuple!(12 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L);
tuple!(13 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L 12 M);
tuple!(14 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L 12 M 13 N);
tuple!(15 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L 12 M 13 N 14 O);
tuple!(16 0 A 1 B 2 C 3 D 4 E 5 F 6 G 7 H 8 I 9 J 10 K 11 L 12 M 13 N 14 O 15 P);
