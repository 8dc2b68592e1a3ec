//! JSON: slow, and readable by everybody.

use serde::Serialize;
use serde::de::DeserializeSeed;
use serde_json::{Deserializer, Serializer};

use super::CodecError;

pub(super) fn encode<T: Serialize>(value: &T, buf: &mut Vec<u8>) -> Result<(), CodecError> {
    value.serialize(&mut Serializer::new(buf)).map_err(CodecError::unencodable)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> Result<S::Value, CodecError> {
    let mut deserializer = Deserializer::from_slice(bytes);
    let value = seed.deserialize(&mut deserializer).map_err(CodecError::malformed)?;
    deserializer.end().map_err(|_| CodecError::trailing())?;
    Ok(value)
}
