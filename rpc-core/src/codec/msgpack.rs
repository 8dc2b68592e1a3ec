//! MessagePack with named fields: readable from other languages, and fields may be added.

use rmp_serde::decode::Error;
use rmp_serde::{Deserializer, Serializer};
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};

use super::CodecError;

pub(super) fn encode<T: Serialize>(value: &T, buf: &mut Vec<u8>) -> Result<(), CodecError> {
    value.serialize(&mut Serializer::new(buf).with_struct_map()).map_err(CodecError::unencodable)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    let mut deserializer = Deserializer::from_read_ref(bytes);
    let value = seed.deserialize(&mut deserializer).map_err(CodecError::malformed)?;
    // The deserializer does not tell where it stands; only at the end there is no marker to read.
    match bool::deserialize(&mut deserializer) {
        Err(Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(CodecError::trailing()),
    }
}
