//! Values to bytes and back, under a guard that bounds depth and allocation.
//!
//! Encoding appends to the caller's buffer. Decoding reads one value from bytes that belong to the caller, borrows from
//! them where the type allows it, and leaves no byte over. Whatever the bytes are, it ends in a value or an error within
//! its [`DecodeLimits`].

// A build without any codec has nothing to call the rest with.
#![cfg_attr(
    not(any(feature = "bincode", feature = "postcard", feature = "msgpack", feature = "json")),
    allow(unused, reason = "`Codec` has no variant")
)]

use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::{buffers, limits};

mod bulk;
mod depth;
mod error;
mod guard;
mod seeds;
mod select;
mod tag;
mod tuples;

#[cfg(feature = "bincode")]
mod bincode;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "postcard")]
mod postcard;

#[cfg(test)]
mod tests;

pub use bulk::{Bulk, BulkSeed, BytesSeed, Reader};
pub use error::{CodecError, CodecErrorKind};
pub use seeds::{OptionSeed, PlainSeed, StrSeed};
pub(crate) use select::room;
pub use select::{Arg, Argument, AsBulk, AsPlain, Encoding, Outcome, Plain, ResultParts};
pub use tag::{GiveBulk, GivePlain, OwnedBulk, OwnedPlain, SeedBulk, SeedPlain, Tag};
pub use tuples::{Encodings, Seeds};

use depth::Shallow;
use guard::Guard;

/// Budget per byte of a message, between the bounds of [`DECODE_BUDGET`](limits::DECODE_BUDGET).
const BUDGET_FACTOR: usize = 32;

/// How values are written; both sides of a connection use the same.
///
/// ```
/// use farcall_core::codec::Codec;
/// for codec in Codec::ALL {
///     assert_eq!(Codec::from_name(codec.name()), Some(*codec));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// The bytes of bincode 2, `standard()`: small, fast, not self-describing.
    #[cfg(feature = "bincode")]
    Bincode,
    /// The bytes of postcard 1: small, not self-describing.
    #[cfg(feature = "postcard")]
    Postcard,
    /// MessagePack with named fields. `Some(())` and `Some(None)` arrive as `None`.
    #[cfg(feature = "msgpack")]
    MsgPack,
    /// JSON, for looking at. It has no NaN, no infinities, and `Some(())` arrives as `None`.
    #[cfg(feature = "json")]
    Json,
}

impl Codec {
    /// Every codec of this build, the preferred one first.
    pub const ALL: &'static [Codec] = &[
        #[cfg(feature = "bincode")]
        Codec::Bincode,
        #[cfg(feature = "postcard")]
        Codec::Postcard,
        #[cfg(feature = "msgpack")]
        Codec::MsgPack,
        #[cfg(feature = "json")]
        Codec::Json,
    ];

    /// Its name in URLs and in the hello.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "bincode")]
            Codec::Bincode => "bincode",
            #[cfg(feature = "postcard")]
            Codec::Postcard => "postcard",
            #[cfg(feature = "msgpack")]
            Codec::MsgPack => "msgpack",
            #[cfg(feature = "json")]
            Codec::Json => "json",
        }
    }

    /// Appends what is written in front of so many bytes. `false`: they are not written as they are.
    fn put_front(self, len: usize, front: &mut Vec<u8>) -> bool {
        let writes_bytes_behind_their_length = match self {
            #[cfg(feature = "bincode")]
            Codec::Bincode => true,
            #[cfg(feature = "postcard")]
            Codec::Postcard => true,
            #[cfg(feature = "msgpack")]
            Codec::MsgPack => false,
            #[cfg(feature = "json")]
            Codec::Json => false,
        };
        writes_bytes_behind_their_length && encode(self, &(len as u64), front).is_ok()
    }

    /// Whether this is what is written in front of so many bytes.
    fn is_front(self, front: &[u8], len: usize) -> bool {
        let mut expected = buffers::take(0);
        let is_front = self.put_front(len, &mut expected) && expected == front;
        buffers::give(expected);
        is_front
    }

    /// The codec of this name, if this build has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Codec::ALL.iter().copied().find(|codec| codec.name() == name)
    }
}

/// The first of [`Codec::ALL`].
#[cfg(any(feature = "bincode", feature = "postcard", feature = "msgpack", feature = "json"))]
impl Default for Codec {
    fn default() -> Self {
        Codec::ALL[0]
    }
}

/// What decoding one message may use.
///
/// ```
/// use farcall_core::codec::DecodeLimits;
/// assert_eq!(DecodeLimits::for_message(100).budget, 1024 * 1024);
/// assert_eq!(DecodeLimits::for_message(100).with_budget(5_000).budget, 5_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Levels of nesting: sequences, maps, tuples, structs, `Some`, and variants that hold something.
    pub depth: u32,
    /// Bytes on the heap, as the decoded types declare them.
    pub budget: usize,
    /// Zero-sized elements in collections.
    pub zero_sized: usize,
}

impl DecodeLimits {
    /// The limits for a message of `len` bytes.
    #[inline]
    pub fn for_message(len: usize) -> Self {
        let (least, most) = limits::DECODE_BUDGET;
        DecodeLimits {
            depth: limits::DECODE_DEPTH,
            budget: len.saturating_mul(BUDGET_FACTOR).clamp(least, most),
            zero_sized: limits::MAX_ZERO_SIZED,
        }
    }

    /// The same limits with the budget of `?decode_budget=`, in bytes.
    #[must_use]
    pub fn with_budget(self, budget: usize) -> Self {
        DecodeLimits { budget, ..self }
    }
}

/// Appends `value` to `buf`. On an error `buf` is as it was.
///
/// # Errors
/// [`CodecErrorKind::Unencodable`]: the codec cannot write this type, or the value is nested deeper than
/// [`DECODE_DEPTH`](limits::DECODE_DEPTH).
///
/// ```
/// # #[cfg(feature = "bincode")] {
/// use farcall_core::codec::{self, Codec};
/// let mut buf = Vec::new();
/// codec::encode(Codec::Bincode, &(1i64, "a"), &mut buf)?;
/// assert_eq!(buf, [2, 1, b'a']);
/// # }
/// # Ok::<(), farcall_core::codec::CodecError>(())
/// ```
pub fn encode<T: Serialize + ?Sized>(codec: Codec, value: &T, buf: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = buf.len();
    let watch = depth::Watch::new(limits::DECODE_DEPTH);
    let value = Shallow::new(value, &watch);
    let written = match codec {
        #[cfg(feature = "bincode")]
        Codec::Bincode => bincode::encode(&value, buf),
        #[cfg(feature = "postcard")]
        Codec::Postcard => postcard::encode(&value, buf),
        #[cfg(feature = "msgpack")]
        Codec::MsgPack => msgpack::encode(&value, buf),
        #[cfg(feature = "json")]
        Codec::Json => json::encode(&value, buf),
    };
    match written {
        Ok(()) if !watch.tripped() => Ok(()),
        outcome => {
            buf.truncate(start);
            Err(unencoded(outcome, &watch))
        }
    }
}

#[cold]
fn unencoded(outcome: Result<(), CodecError>, watch: &depth::Watch) -> CodecError {
    match outcome {
        Err(error) if !watch.tripped() => error,
        _ => CodecError::too_deep_to_encode(watch.limit()),
    }
}

/// Reads one value from all of `bytes`.
///
/// # Errors
/// Bytes that are no such value, bytes left over, or a limit; see [`CodecErrorKind`].
///
/// ```
/// # #[cfg(feature = "bincode")] {
/// use farcall_core::codec::{self, Codec, DecodeLimits, StrSeed};
/// let bytes = [1, b'a'];
/// let text = codec::decode(Codec::Bincode, StrSeed, &bytes, DecodeLimits::for_message(2))?;
/// assert!(matches!(text, std::borrow::Cow::Borrowed("a")));
/// # }
/// # Ok::<(), farcall_core::codec::CodecError>(())
/// ```
pub fn decode<'de, S: DeserializeSeed<'de>>(
    codec: Codec,
    seed: S,
    bytes: &'de [u8],
    limits: DecodeLimits,
) -> Result<S::Value, CodecError> {
    let guard = Guard::new(&limits);
    let seed = guard.seed(seed);
    let value = match codec {
        #[cfg(feature = "bincode")]
        Codec::Bincode => bincode::decode(seed, bytes),
        #[cfg(feature = "postcard")]
        Codec::Postcard => postcard::decode(seed, bytes),
        #[cfg(feature = "msgpack")]
        Codec::MsgPack => msgpack::decode(seed, bytes),
        #[cfg(feature = "json")]
        Codec::Json => json::decode(seed, bytes),
    };
    if !guard.crossed() {
        return value;
    }
    drop(value);
    Err(guard.verdict())
}
