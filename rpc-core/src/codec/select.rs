//! How a stub chooses the encoding of an argument: by its type, through two tries of method lookup.
//!
//! `(&&Arg(&x)).encoding()` finds [`AsBulk`], which is implemented for `&Arg<Vec<u8>>`, before [`AsPlain`], which is
//! implemented for `Arg<T>`; [`Tag`](super::Tag) chooses the seed alike. So an alias of `Vec<u8>` is bytes too.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Serializer;

use super::{Bulk, Codec, CodecError, encode};

/// Room for what stands around bytes: a length, and the small arguments beside them.
const AROUND: usize = 64;

/// A value that knows how it is written.
pub trait Encoding: Serialize {
    /// Bytes that it will take at least; zero if that is not known.
    fn size_hint(&self) -> usize;

    /// The value as bytes that it owns, and what is written in front of them. `Err`: it is to be encoded like others.
    #[expect(clippy::missing_errors_doc, reason = "said above")]
    fn into_bytes(self, codec: Codec) -> Result<(Vec<u8>, Vec<u8>), Self>
    where
        Self: Sized,
    {
        let _ = codec;
        Err(self)
    }

    /// Appends the value to `buf`.
    ///
    /// # Errors
    /// As [`encode`].
    fn encode(&self, codec: Codec, buf: &mut Vec<u8>) -> Result<(), CodecError> {
        buf.reserve(room(self.size_hint()));
        encode(codec, self, buf)
    }
}

/// Room for so many bytes and what stands around them; what is small grows as it comes.
pub(crate) fn room(size: usize) -> usize {
    if size > 0 { size.saturating_add(AROUND) } else { 0 }
}

impl Encoding for Bulk<'_> {
    fn size_hint(&self) -> usize {
        self.0.len()
    }
}

/// A value that is written as its `Serialize` says.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Serialize for Plain<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: Serialize + ?Sized> Encoding for Plain<'_, T> {
    fn size_hint(&self) -> usize {
        0
    }
}

/// An argument or result whose encoding is to be chosen.
///
/// ```
/// use farcall_core::codec::{Arg, AsBulk as _, AsPlain as _, Encoding as _};
/// type Blob = Vec<u8>;
/// let (blob, words): (Blob, Vec<u32>) = (vec![0; 100], vec![0; 100]);
/// assert_eq!((&&Arg(&blob)).encoding().size_hint(), 100);
/// assert_eq!((&&Arg(&words)).encoding().size_hint(), 0);
/// ```
#[derive(Debug)]
pub struct Arg<'a, T: ?Sized>(pub &'a T);

/// The first try: bytes.
pub trait AsBulk<'a> {
    /// The argument as bytes.
    fn encoding(&self) -> Bulk<'a>;
}

impl<'a> AsBulk<'a> for &Arg<'a, Vec<u8>> {
    fn encoding(&self) -> Bulk<'a> {
        Bulk(self.0)
    }
}

impl<'a> AsBulk<'a> for &Arg<'a, &Vec<u8>> {
    fn encoding(&self) -> Bulk<'a> {
        Bulk(self.0)
    }
}

impl<'a> AsBulk<'a> for &Arg<'a, [u8]> {
    fn encoding(&self) -> Bulk<'a> {
        Bulk(self.0)
    }
}

impl<'a> AsBulk<'a> for &Arg<'a, &[u8]> {
    fn encoding(&self) -> Bulk<'a> {
        Bulk(self.0)
    }
}

/// The second try: anything.
pub trait AsPlain<'a> {
    /// The argument's type.
    type Value: Serialize + ?Sized;

    /// The argument as it is.
    fn encoding(&self) -> Plain<'a, Self::Value>;
}

impl<'a, T: Serialize + ?Sized> AsPlain<'a> for Arg<'a, T> {
    type Value = T;

    fn encoding(&self) -> Plain<'a, T> {
        Plain(self.0)
    }
}

/// The two types of a `Result`, under whatever alias.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "this method's return type is taken for a `Result`, by its name or by `#[method(result)]`"
)]
pub trait ResultParts {
    /// What the method returns when all is well.
    type Ok;
    /// The service's own error.
    type Err;
}

impl<T, E> ResultParts for Result<T, E> {
    type Ok = T;
    type Err = E;
}

/// What can be an argument of a method.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a service's method",
    label = "this type cannot be sent",
    note = "an argument is `Serialize + DeserializeOwned + Send + 'static`; `&str`, `&[u8]`, `&T`, `Option<&str>` and \
            `Option<&[u8]>` are allowed too"
)]
pub trait Argument: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Argument for T {}

/// What can be a result of a method.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a result of a service's method",
    label = "this type cannot be sent back",
    note = "a result is `Serialize + DeserializeOwned + Send + 'static`, and so is each side of a `Result`"
)]
pub trait Outcome: Serialize + DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Outcome for T {}
