//! Reading and writing the small fixed fields of frames, little endian.

use crate::limits::{MAX_ERROR_TEXT, MAX_NAME};

/// Bytes that are not a frame of this protocol; says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Reads fields off the front of a slice; never beyond its end.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(Malformed("a field is cut off"))?;
        self.0 = rest;
        Ok(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, rest) = self.0.split_first_chunk().ok_or(Malformed("a field is cut off"))?;
        self.0 = rest;
        Ok(*front)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// A name: one byte of length, then UTF-8.
    pub(super) fn name(&mut self) -> Result<&'a str, Malformed> {
        let size = self.u8()?;
        std::str::from_utf8(self.bytes(size.into())?).map_err(|_| Malformed("a name is not UTF-8"))
    }

    /// A text: two bytes of length, then UTF-8. It is for people: what is not UTF-8 is replaced, control characters are
    /// escaped, and what is longer than a sentence may be is cut.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let size = self.u16()?;
        let mut text = escaped(&String::from_utf8_lossy(self.bytes(size.into())?));
        text.truncate(text.floor_char_boundary(MAX_ERROR_TEXT));
        Ok(text)
    }
}

/// A peer's words, fit for a terminal and for a line of a log.
pub fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for char in words.chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    text
}

/// Writes a name; what does not fit is cut at a character's end.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    let name = &name[..name.floor_char_boundary(MAX_NAME)];
    out.push(u8::try_from(name.len()).expect("`MAX_NAME` fits a byte"));
    out.extend_from_slice(name.as_bytes());
}

/// Writes a text; what is longer than a sentence may be is cut at a character's end.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_ERROR_TEXT)];
    out.extend_from_slice(&u16::try_from(text.len()).expect("cut to 4 KiB").to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
