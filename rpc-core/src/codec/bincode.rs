//! The bytes of bincode 2, `standard()`: little-endian, variable-length integers.

use ::bincode::config::{Configuration, Limit, standard};
use ::bincode::enc::write::Writer;
use ::bincode::error::{DecodeError, EncodeError};
use ::bincode::serde::{encode_into_writer, seed_decode_from_slice};
use serde::Serialize;
use serde::de::DeserializeSeed;

use super::CodecError;
use crate::buffers;
use crate::limits::MAX_MAX_MESSAGE;

/// The backstop behind the guard. It counts the *decoded* size of each integer, 16 bytes for a `u128` that may be one on
/// the wire, so this is the least that refuses no message for its length.
const BACKSTOP: usize = MAX_MAX_MESSAGE.saturating_mul(16);

const CONFIG: Configuration<::bincode::config::LittleEndian, ::bincode::config::Varint, Limit<BACKSTOP>> =
    standard().with_limit::<BACKSTOP>();

struct Out<'a>(&'a mut Vec<u8>);

impl Writer for Out<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        buffers::append(self.0, bytes);
        Ok(())
    }
}

pub(super) fn encode<T: Serialize>(value: &T, buf: &mut Vec<u8>) -> Result<(), CodecError> {
    encode_into_writer(value, Out(buf), CONFIG).map_err(unencodable)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    match seed_decode_from_slice(seed, bytes, CONFIG) {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) => Err(CodecError::trailing()),
        Err(error) => Err(malformed(error)),
    }
}

#[cold]
fn malformed(error: DecodeError) -> CodecError {
    use ::bincode::serde::DecodeError as Serde;
    match error {
        DecodeError::UnexpectedEnd { .. } => CodecError::malformed("they end before it does"),
        DecodeError::LimitExceeded => CodecError::malformed("a length in them is beyond any message"),
        DecodeError::OtherString(text) => CodecError::malformed(text),
        DecodeError::Other(text) => CodecError::malformed(text),
        DecodeError::Utf8 { inner } => CodecError::malformed(inner),
        DecodeError::Serde(
            Serde::AnyNotSupported | Serde::IdentifierNotSupported | Serde::IgnoredAnyNotSupported,
        ) => CodecError::malformed(
            "the type can be read only by a codec that describes itself (?codec=msgpack)",
        ),
        other => CodecError::malformed(other),
    }
}

#[cold]
fn unencodable(error: EncodeError) -> CodecError {
    match error {
        EncodeError::OtherString(text) => CodecError::unencodable(text),
        EncodeError::Other(text) => CodecError::unencodable(text),
        EncodeError::Serde(::bincode::serde::EncodeError::SequenceMustHaveLength) => {
            CodecError::unencodable("a sequence or map does not know its length beforehand")
        }
        other => CodecError::unencodable(other),
    }
}
