//! The first frame of each side: who speaks which version, within which limits.

use super::cursor::{Cursor, Malformed, put_name};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// Begins every hello, so that a message wire too knows its own.
const MAGIC: u32 = u32::from_le_bytes(*b"FCAL");

const ATTENDED_ALWAYS: u16 = 1;

/// What one side announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The lowest and the highest version spoken.
    pub versions: (u16, u16),
    /// Whether somebody always reads, or only while a call is waited for.
    pub attended_always: bool,
    /// Largest message taken, in bytes of payload.
    pub max_message: u64,
    /// Calls taken without a verdict.
    pub window: u32,
    /// The codec of arguments and results; the connecting side's choice stands.
    pub codec: String,
}

impl Hello {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&self.versions.0.to_le_bytes());
        out.extend_from_slice(&self.versions.1.to_le_bytes());
        out.extend_from_slice(&(if self.attended_always { ATTENDED_ALWAYS } else { 0 }).to_le_bytes());
        out.extend_from_slice(&self.max_message.to_le_bytes());
        out.extend_from_slice(&self.window.to_le_bytes());
        put_name(&mut out, &self.codec);
        out
    }

    /// Reads a payload; bytes after the known fields belong to later versions and are skipped.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut off or begins with other magic bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(payload);
        if cursor.u32()? != MAGIC {
            return Err(Malformed("the hello does not begin with the magic bytes"));
        }
        Ok(Hello {
            versions: (cursor.u16()?, cursor.u16()?),
            attended_always: cursor.u16()? & ATTENDED_ALWAYS != 0,
            max_message: cursor.u64()?,
            window: cursor.u32()?,
            codec: cursor.name()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_survives_the_wire_and_a_longer_one_is_read() {
        let hello = Hello {
            versions: (1, 3),
            attended_always: true,
            max_message: 16 << 20,
            window: 256,
            codec: "bincode".into(),
        };
        let mut bytes = hello.encode();
        bytes.extend_from_slice(b"later");
        assert_eq!(Hello::decode(&bytes), Ok(hello));
    }

    #[test]
    fn other_magic_bytes_are_refused() {
        assert!(Hello::decode(&[0; 40]).is_err());
    }
}
