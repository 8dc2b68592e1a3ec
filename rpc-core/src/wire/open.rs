//! Opening a service by name, and the answer for each of its methods.

use super::cursor::{Cursor, Malformed, put_name, put_text};
use crate::limits::{MAX_FRAGMENT, MAX_METHODS};

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
    /// How this side writes the shapes of the methods that differ, in their order. What is too large is cut, or empty.
    pub shapes: Vec<String>,
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
        let mut differing = self.answers.iter().filter(|answer| **answer == Answer::Differs).count();
        for shape in &self.shapes {
            differing = differing.saturating_sub(1);
            // Room for two bytes of length of each that follows.
            let taken = out.len().saturating_add(differing.saturating_add(1).saturating_mul(2));
            let room = MAX_FRAGMENT.saturating_sub(taken);
            put_text(&mut out, &shape[..shape.floor_char_boundary(room)]);
        }
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
        let answers: Vec<_> = cursor
            .bytes(count.into())?
            .iter()
            .map(|byte| match byte {
                0 => Answer::Served,
                1 => Answer::Unknown,
                _ => Answer::Differs,
            })
            .collect();
        let text = cursor.text()?;
        let differing = answers.iter().filter(|answer| **answer == Answer::Differs);
        let shapes = differing.map(|_| cursor.text()).collect::<Result<_, _>>()?;
        Ok(Opened { known, answers, text, shapes })
    }

    /// How the peer writes the shape of a method, if it differs.
    pub fn shape(&self, method: usize) -> Option<&str> {
        let (before, at) = self.answers.split_at_checked(method)?;
        at.first().filter(|answer| **answer == Answer::Differs)?;
        let place = before.iter().filter(|answer| **answer == Answer::Differs).count();
        self.shapes.get(place).map(String::as_str)
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
            text: "no".into(),
            shapes: vec!["(u32)->()".into()],
        };
        assert_eq!((opened.shape(1), opened.shape(0), opened.shape(9)), (Some("(u32)->()"), None, None));
        assert_eq!(Opened::decode(&opened.encode()), Ok(opened));
    }

    #[test]
    fn the_answer_fits_in_a_frame_however_many_methods_differ() {
        let count = MAX_METHODS;
        let opened = Opened {
            known: true,
            answers: vec![Answer::Differs; count],
            text: "é".repeat(10_000),
            shapes: vec!["ü".repeat(10_000); count],
        };
        let bytes = opened.encode();
        assert!(bytes.len() <= MAX_FRAGMENT, "{}", bytes.len());
        let read = Opened::decode(&bytes).unwrap();
        assert!(read.shape(0).unwrap().len() == 4_096 && read.shape(count - 1) == Some(""));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = Open::encode("Store", [("put", 1), ("get", 2)].into_iter());
        for cut in 0..bytes.len() {
            assert!(Open::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
