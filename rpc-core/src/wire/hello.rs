//! The first frame of each side: who speaks which version, within which limits.

use super::cursor::{Cursor, Malformed, put_name};

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// Begins every hello, so that a message wire too knows its own.
const MAGIC: u32 = u32::from_le_bytes(*b"FCAL");

const ATTENDED_ALWAYS: u16 = 1;
const CONNECTING: u16 = 2;
const ACCEPTING: u16 = 4;

/// Which side opened the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It speaks first and chooses the codec.
    Connecting,
    /// It answers.
    Accepting,
}

/// What one side announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The lowest and the highest version spoken.
    pub versions: (u16, u16),
    /// Whose hello it is, by which a side knows its own when it comes back; a peer need not say it.
    pub role: Option<Role>,
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
        out.extend_from_slice(&self.flags().to_le_bytes());
        out.extend_from_slice(&self.max_message.to_le_bytes());
        out.extend_from_slice(&self.window.to_le_bytes());
        put_name(&mut out, &self.codec);
        out
    }

    fn flags(&self) -> u16 {
        let role = match self.role {
            None => 0,
            Some(Role::Connecting) => CONNECTING,
            Some(Role::Accepting) => ACCEPTING,
        };
        role | if self.attended_always { ATTENDED_ALWAYS } else { 0 }
    }

    /// Reads a payload; bytes after the known fields and flags that are not known belong to later versions and are skipped.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut off, begins with other magic bytes, or claims to be both sides'.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(payload);
        if cursor.u32()? != MAGIC {
            return Err(Malformed("the hello does not begin with the magic bytes"));
        }
        let versions = (cursor.u16()?, cursor.u16()?);
        let flags = cursor.u16()?;
        let role = match (flags & CONNECTING != 0, flags & ACCEPTING != 0) {
            (false, false) => None,
            (true, false) => Some(Role::Connecting),
            (false, true) => Some(Role::Accepting),
            (true, true) => return Err(Malformed("the hello claims to be of both sides")),
        };
        Ok(Hello {
            versions,
            role,
            attended_always: flags & ATTENDED_ALWAYS != 0,
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
        for role in [None, Some(Role::Connecting), Some(Role::Accepting)] {
            let hello = Hello {
                versions: (1, 3),
                role,
                attended_always: role.is_none(),
                max_message: 16 << 20,
                window: 256,
                codec: "bincode".into(),
            };
            let mut bytes = hello.encode();
            bytes[9] |= 0x80;
            bytes.extend_from_slice(b"later");
            assert_eq!(Hello::decode(&bytes), Ok(hello));
        }
    }

    #[test]
    fn a_hello_of_both_sides_is_refused() {
        let hello = Hello {
            versions: (1, 1),
            role: None,
            attended_always: false,
            max_message: 1,
            window: 1,
            codec: String::new(),
        };
        let mut bytes = hello.encode();
        bytes[8] |= 6;
        assert!(Hello::decode(&bytes).is_err());
    }

    #[test]
    fn other_magic_bytes_are_refused() {
        assert!(Hello::decode(&[0; 40]).is_err());
    }
}
