//! The bytes of postcard 1.

use ::postcard::ser_flavors::Flavor;
use ::postcard::{Deserializer, Result, Serializer};
use serde::Serialize;
use serde::de::DeserializeSeed;

use super::CodecError;

struct Out<'a>(&'a mut Vec<u8>);

impl Flavor for Out<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> Result<()> {
        Ok(())
    }
}

pub(super) fn encode<T: Serialize>(value: &T, buf: &mut Vec<u8>) -> std::result::Result<(), CodecError> {
    value.serialize(&mut Serializer { output: Out(buf) }).map_err(CodecError::unencodable)
}

pub(super) fn decode<'de, S: DeserializeSeed<'de>>(
    seed: S,
    bytes: &'de [u8],
) -> std::result::Result<S::Value, CodecError> {
    let mut deserializer = Deserializer::from_bytes(bytes);
    let value = seed.deserialize(&mut deserializer).map_err(CodecError::malformed)?;
    match deserializer.finalize() {
        Ok([]) => Ok(value),
        _ => Err(CodecError::trailing()),
    }
}
