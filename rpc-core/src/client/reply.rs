//! A verdict's bytes, for the code that knows their types.

use std::fmt;

use crate::codec::{self, Codec, DecodeLimits, Reader};
use crate::error::{CallError, Error, Fate};
use crate::message::Message;

/// The result of a call that completed, not yet decoded.
pub struct Reply<'a> {
    pub(super) codec: Codec,
    pub(super) message: &'a mut Message,
    pub(super) failed: bool,
    pub(super) budget: Option<usize>,
    /// Says what was attempted, in front of why it failed.
    pub(super) explain: &'a dyn Fn(Error) -> Error,
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("codec", &self.codec)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl<'a> Reply<'a> {
    fn decode<S: Reader<'a>>(self, seed: S) -> Result<S::Value, Error> {
        let limits = DecodeLimits::for_message(self.message.len());
        let limits = self.budget.map_or(limits, |budget| limits.with_budget(budget));
        if let Message::Apart(apart) = self.message
            && apart.bytes.len() <= limits.budget
            && let Some(value) = seed.take(self.codec, apart)
        {
            return Ok(value);
        }
        let bytes = self.message.join();
        codec::decode(self.codec, seed, bytes, limits)
            .map_err(|error| (self.explain)(error.into_error(Fate::Completed)))
    }

    /// The value of a method that returns no `Result`.
    ///
    /// # Errors
    /// The bytes are no such value; the call has completed.
    pub fn value<S: Reader<'a>>(self, seed: S) -> Result<S::Value, Error> {
        if self.failed {
            let text = "the peer's method returned an error of its own, this side's cannot";
            return Err((self.explain)(Error::new(crate::Code::SchemaMismatch, Fate::Completed, text)));
        }
        self.decode(seed)
    }

    /// The result of a method that returns a `Result`.
    ///
    /// # Errors
    /// The service's own error, or the bytes are none; the call has completed.
    pub fn result<S, X>(self, ok: S, err: X) -> Result<S::Value, CallError<X::Value>>
    where
        S: Reader<'a>,
        X: Reader<'a>,
    {
        if self.failed {
            return Err(self.decode(err).map_or_else(CallError::Rpc, CallError::Service));
        }
        Ok(self.decode(ok)?)
    }
}

#[cfg(test)]
#[cfg(feature = "bincode")]
mod tests {
    use super::*;
    use crate::codec::{Bulk, BulkSeed, PlainSeed};
    use crate::message::Apart;

    /// 70,000 bytes as they are written, cut there.
    fn cut_at(front: usize) -> Message {
        let mut whole = Vec::new();
        codec::encode(Codec::Bincode, &Bulk(&[7; 70_000]), &mut whole).unwrap();
        let bytes = whole.split_off(front);
        Message::Apart(Box::new(Apart { front: whole, bytes }))
    }

    fn reply(message: &mut Message, budget: Option<usize>) -> Reply<'_> {
        Reply { codec: Codec::Bincode, message, failed: false, budget, explain: &|error| error }
    }

    #[test]
    fn a_result_in_two_parts_is_read_wherever_it_was_cut() {
        for front in [1, 2, 3, 4, 5, 6, 70, 70_000] {
            let mut message = cut_at(front);
            assert!(reply(&mut message, None).value(BulkSeed).unwrap() == [7; 70_000], "{front}");
            let mut message = cut_at(front);
            assert!(reply(&mut message, None).value(PlainSeed::<Vec<u8>>::new()).unwrap() == [7; 70_000]);
        }
    }

    #[test]
    fn bytes_that_are_handed_over_count_against_the_budget() {
        let error = reply(&mut cut_at(5), Some(69_999)).value(BulkSeed).unwrap_err();
        assert!(error.to_string().contains("decode_budget"), "{error}");
        assert!(reply(&mut cut_at(5), Some(70_000)).value(BulkSeed).is_ok());
    }
}
