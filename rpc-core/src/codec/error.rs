//! Why a value could not be encoded or decoded.

use std::borrow::Cow;
use std::fmt;

use super::DecodeLimits;
use crate::{Code, Error, Fate};

/// What kind of failure a [`CodecError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecErrorKind {
    /// The bytes are not a value of the expected type.
    Malformed,
    /// The value is nested deeper than the limit.
    Depth,
    /// Decoding would allocate more than its budget.
    Budget,
    /// The message holds more zero-sized elements than the limit.
    ZeroSized,
    /// Bytes were left over behind the value.
    Trailing,
    /// The value cannot be written by this codec.
    Unencodable,
}

/// A value that could not be encoded or decoded: a kind and one sentence that names the limit and its option.
///
/// ```
/// # #[cfg(feature = "bincode")] {
/// use farcall_core::codec::{self, Codec, CodecErrorKind, DecodeLimits, PlainSeed};
/// let bytes = [1, 2];
/// let seed = PlainSeed::<u8>::new();
/// let error = codec::decode(Codec::Bincode, seed, &bytes, DecodeLimits::for_message(2)).unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::Trailing);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError(Box<Repr>);

/// Behind a pointer, so that what succeeds carries no room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Repr {
    kind: CodecErrorKind,
    message: Cow<'static, str>,
}

impl CodecError {
    /// The kind of failure.
    pub fn kind(&self) -> CodecErrorKind {
        self.0.kind
    }

    /// The failure of a call whose fate is known to the caller.
    pub fn into_error(self, fate: Fate) -> Error {
        Error::new(Code::BadRequest, fate, self.0.message)
    }

    pub(super) fn malformed(why: impl fmt::Display) -> Self {
        Self::new(CodecErrorKind::Malformed, format!("the bytes are not a value of the expected type: {why}"))
    }

    pub(super) fn unencodable(why: impl fmt::Display) -> Self {
        Self::new(CodecErrorKind::Unencodable, format!("the value cannot be encoded: {why}"))
    }

    pub(super) fn too_deep_to_encode(limit: u32) -> Self {
        Self::unencodable(format_args!("it is nested deeper than {limit} levels, a fixed limit"))
    }

    #[cold]
    pub(super) fn trailing() -> Self {
        Self::new(CodecErrorKind::Trailing, "bytes are left over behind the value")
    }

    pub(super) fn depth(limits: &DecodeLimits) -> Self {
        let limit = limits.depth;
        let message = format!("the value is nested deeper than {limit} levels, a fixed limit");
        Self::new(CodecErrorKind::Depth, message)
    }

    pub(super) fn budget(limits: &DecodeLimits) -> Self {
        let limit = limits.budget;
        let message =
            format!("decoding would allocate more than its budget of {limit} bytes (?decode_budget=)");
        Self::new(CodecErrorKind::Budget, message)
    }

    pub(super) fn zero_sized(limits: &DecodeLimits) -> Self {
        let limit = limits.zero_sized;
        let message = format!("the message holds more than {limit} zero-sized elements, a fixed limit");
        Self::new(CodecErrorKind::ZeroSized, message)
    }

    fn new(kind: CodecErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        CodecError(Box::new(Repr { kind, message: message.into() }))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for CodecError {}
