//! A verdict's bytes, for the code that knows their types.

use serde::de::DeserializeSeed;

use crate::codec::{self, Codec, DecodeLimits};
use crate::error::{CallError, Error, Fate};

/// The result of a call that completed, not yet decoded.
#[derive(Debug)]
pub struct Reply<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
    pub(super) failed: bool,
    pub(super) budget: Option<usize>,
}

impl<'a> Reply<'a> {
    fn decode<S: DeserializeSeed<'a>>(&self, seed: S) -> Result<S::Value, Error> {
        let limits = DecodeLimits::for_message(self.bytes.len());
        let limits = self.budget.map_or(limits, |budget| limits.with_budget(budget));
        codec::decode(self.codec, seed, self.bytes, limits).map_err(|error| error.into_error(Fate::Completed))
    }

    /// The value of a method that returns no `Result`.
    ///
    /// # Errors
    /// The bytes are no such value; the call has completed.
    pub fn value<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Error> {
        if self.failed {
            let text = "the peer's method returned an error of its own, this side's cannot";
            return Err(Error::new(crate::Code::SchemaMismatch, Fate::Completed, text));
        }
        self.decode(seed)
    }

    /// The result of a method that returns a `Result`.
    ///
    /// # Errors
    /// The service's own error, or the bytes are none; the call has completed.
    pub fn result<S, X>(self, ok: S, err: X) -> Result<S::Value, CallError<X::Value>>
    where
        S: DeserializeSeed<'a>,
        X: DeserializeSeed<'a>,
    {
        if self.failed {
            return Err(self.decode(err).map_or_else(CallError::Rpc, CallError::Service));
        }
        Ok(self.decode(ok)?)
    }
}
