//! Opening a service by name, and the answer for each of its methods.

use super::cursor::{Cursor, Malformed, put_name, put_text};
use crate::limits::MAX_METHODS;

/// One method as the caller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRow {
    /// Its name.
    pub name: String,
    /// The fingerprint of its shape; 0: not given.
    pub fingerprint: u64,
}

/// "I shall call this service, and these are its methods in the order of my numbers."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The service's name.
    pub service: String,
    /// Its methods.
    pub methods: Vec<MethodRow>,
}

impl Open {
    /// The payload.
    pub fn encode<'a>(service: &str, methods: impl ExactSizeIterator<Item = (&'a str, u64)>) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_name(&mut out, service);
        out.extend_from_slice(&u16::try_from(methods.len()).unwrap_or(u16::MAX).to_le_bytes());
        for (name, fingerprint) in methods {
            put_name(&mut out, name);
            out.extend_from_slice(&fingerprint.to_le_bytes());
        }
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut off or names more methods than allowed.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(payload);
        let service = cursor.name()?.to_owned();
        let count = usize::from(cursor.u16()?);
        if count > MAX_METHODS {
            return Err(Malformed("a service has more methods than allowed"));
        }
        let mut methods = Vec::new();
        for _ in 0..count {
            methods.push(MethodRow { name: cursor.name()?.to_owned(), fingerprint: cursor.u64()? });
        }
        Ok(Open { service, methods })
    }
}

/// What the serving side says of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It can be called.
    Served,
    /// The service has no method of this name.
    Unknown,
    /// Its shape differs.
    Differs,
}

/// The answer to an [`Open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whether the service is known; if not, calls of it are refused one by one.
    pub known: bool,
    /// One answer for each method asked for.
    pub answers: Vec<Answer>,
    /// A sentence for people where something is refused.
    pub text: String,
}

impl Opened {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(!self.known)];
        out.extend_from_slice(&u16::try_from(self.answers.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(self.answers.iter().map(|answer| match answer {
            Answer::Served => 0_u8,
            Answer::Unknown => 1,
            Answer::Differs => 2,
        }));
        put_text(&mut out, &self.text);
        out
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed`] if it is cut off.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(payload);
        let known = cursor.u8()? == 0;
        let count = cursor.u16()?;
        let answers = cursor
            .bytes(count.into())?
            .iter()
            .map(|byte| match byte {
                0 => Answer::Served,
                1 => Answer::Unknown,
                _ => Answer::Differs,
            })
            .collect();
        Ok(Opened { known, answers, text: cursor.text()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_and_its_answer_survive_the_wire() {
        let bytes = Open::encode("Store", [("put", 1), ("get", u64::MAX)].into_iter());
        let open = Open::decode(&bytes).unwrap();
        assert_eq!((open.service.as_str(), open.methods[1].fingerprint), ("Store", u64::MAX));
        let opened = Opened {
            known: true,
            answers: vec![Answer::Served, Answer::Differs, Answer::Unknown],
            text: "ttl is u32 here".into(),
        };
        assert_eq!(Opened::decode(&opened.encode()), Ok(opened));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = Open::encode("Store", [("put", 1), ("get", 2)].into_iter());
        for cut in 0..bytes.len() {
            assert!(Open::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
