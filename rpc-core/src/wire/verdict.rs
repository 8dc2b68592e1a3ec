//! The payloads of the verdicts that carry no value: errors and cancellations.

use std::error::Error as _;
use std::time::Duration;

use super::cursor::{Cursor, Malformed, put_text};
use crate::error::{Code, Error, Fate, Gone};

/// Codes in the order of their numbers on the wire, from 1. Unknown numbers are read as `Internal`.
const CODES: [Code; 20] = [
    Code::Cancelled,
    Code::DeadlineExceeded,
    Code::Overloaded,
    Code::TooLarge,
    Code::BadRequest,
    Code::UnknownService,
    Code::UnknownMethod,
    Code::SchemaMismatch,
    Code::PermissionDenied,
    Code::Unavailable,
    Code::PeerGone(Gone::LocalClose),
    Code::ProtocolViolation,
    Code::Draining,
    Code::HandlerPanicked,
    Code::ResourceExhausted,
    Code::Forked,
    Code::InvalidConfig,
    Code::MustNotBlock,
    Code::Unsupported,
    Code::Internal,
];

#[expect(clippy::arithmetic_side_effects, reason = "places in a table of twenty")]
pub(super) fn code_number(code: Code) -> u16 {
    let same = |known: &Code| std::mem::discriminant(known) == std::mem::discriminant(&code);
    let at = CODES.iter().position(same).unwrap_or(CODES.len() - 1);
    u16::try_from(at + 1).expect("there are twenty codes")
}

pub(super) fn code_from_number(number: u16) -> Code {
    let at = usize::from(number).checked_sub(1);
    at.and_then(|at| CODES.get(at)).copied().unwrap_or(Code::Internal)
}

fn fate_byte(fate: Fate) -> u8 {
    match fate {
        Fate::NotSent => 0,
        Fate::NotExecuted => 1,
        Fate::Unknown => 2,
        Fate::Started => 3,
        Fate::Completed => 4,
    }
}

/// What a peer says of a call that it received; only the caller itself can know that a call was not sent.
fn fate_from_byte(byte: u8) -> Fate {
    match byte {
        0 | 1 => Fate::NotExecuted,
        3 => Fate::Started,
        4 => Fate::Completed,
        _ => Fate::Unknown,
    }
}

/// Why a call is refused for its shape: how the refusing side writes that of its own method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its shape there is {0}")]
pub struct ShapeThere(pub String);

impl ShapeThere {
    /// What came with a refusal, if something did.
    pub fn of(error: &Error) -> Option<&str> {
        error.source()?.downcast_ref::<ShapeThere>().map(|shape| shape.0.as_str())
    }
}

/// The payload of an `Error` or `Close` frame.
pub fn encode_error(error: &Error) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&code_number(error.code()).to_le_bytes());
    out.push(fate_byte(error.fate()));
    let retry = error.retry_after().map_or(0, |after| after.as_millis().max(1));
    out.extend_from_slice(&u32::try_from(retry).unwrap_or(u32::MAX).to_le_bytes());
    put_text(&mut out, &error.to_string());
    if let Some(shape) = ShapeThere::of(error) {
        put_text(&mut out, shape);
    }
    out
}

/// Reads the payload of an `Error` or `Close` frame.
///
/// # Errors
/// [`Malformed`] if it is cut off.
pub fn decode_error(payload: &[u8]) -> Result<Error, Malformed> {
    let mut cursor = Cursor(payload);
    let code = code_from_number(cursor.u16()?);
    let fate = fate_from_byte(cursor.u8()?);
    let retry = cursor.u32()?;
    let mut error = Error::new(code, fate, cursor.text()?);
    if code == Code::SchemaMismatch
        && let Ok(shape) = cursor.text()
    {
        error = error.with_source(ShapeThere(shape));
    }
    Ok(if retry == 0 { error } else { error.with_retry_after(Duration::from_millis(retry.into())) })
}

/// The payload of a `Cancelled` frame.
pub fn encode_cancelled(fate: Fate) -> Vec<u8> {
    vec![fate_byte(fate)]
}

/// Reads the payload of a `Cancelled` frame.
///
/// # Errors
/// [`Malformed`] if it is empty.
pub fn decode_cancelled(payload: &[u8]) -> Result<Fate, Malformed> {
    Cursor(payload).u8().map(fate_from_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_wire() {
        let error = Error::new(Code::Overloaded, Fate::NotExecuted, "256 calls in flight")
            .with_retry_after(Duration::from_millis(5));
        let again = decode_error(&encode_error(&error)).unwrap();
        assert_eq!((&again, again.retry_after()), (&error, error.retry_after()));
    }

    #[test]
    fn a_refusal_for_a_shape_brings_the_shape_along_and_no_other_does() {
        let refusal =
            |code| Error::new(code, Fate::NotExecuted, "no").with_source(ShapeThere("(u64)->()".into()));
        let again = |code| decode_error(&encode_error(&refusal(code))).unwrap();
        assert_eq!(ShapeThere::of(&again(Code::SchemaMismatch)), Some("(u64)->()"));
        assert_eq!(ShapeThere::of(&again(Code::Internal)), None);
        let without = Error::new(Code::SchemaMismatch, Fate::NotExecuted, "no");
        assert_eq!(ShapeThere::of(&decode_error(&encode_error(&without)).unwrap()), None);
    }

    #[test]
    fn every_code_has_its_own_number() {
        for code in CODES {
            let error = Error::new(code, Fate::Unknown, "");
            assert_eq!(decode_error(&encode_error(&error)).unwrap().code(), code);
        }
    }

    #[test]
    fn a_peer_cannot_claim_that_a_call_was_not_sent() {
        let error = Error::new(Code::Cancelled, Fate::NotSent, "");
        assert_eq!(decode_error(&encode_error(&error)).unwrap().fate(), Fate::NotExecuted);
    }

    #[test]
    fn long_sentences_are_cut() {
        let error = Error::new(Code::Internal, Fate::Unknown, "é".repeat(10_000));
        assert!(decode_error(&encode_error(&error)).unwrap().to_string().len() <= 4096);
        // Also those of a peer that does not cut them.
        let sentence = [&[20, 0, 1, 0, 0, 0, 0, 0x80, 0xBB][..], &[b'x'; 48_000]].concat();
        assert_eq!(decode_error(&sentence).unwrap().to_string().len(), 4096);
    }

    #[test]
    fn a_peers_words_cannot_paint_a_terminal_or_forge_a_line() {
        let error = Error::new(Code::Internal, Fate::Unknown, "\u{1b}[2J\nall \"is\" wéll\u{85}");
        let told = decode_error(&encode_error(&error)).unwrap().to_string();
        assert_eq!(told, "\\u{1b}[2J\\nall \"is\" wéll\\u{85}");
    }
}
