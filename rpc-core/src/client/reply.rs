//! A verdict's bytes, for the code that knows their types.

use std::fmt;

use serde::de::DeserializeSeed;

use crate::codec::{self, Codec, DecodeLimits};
use crate::error::{CallError, Error, Fate};

/// The result of a call that completed, not yet decoded.
pub struct Reply<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
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
    fn decode<S: DeserializeSeed<'a>>(&self, seed: S) -> Result<S::Value, Error> {
        let limits = DecodeLimits::for_message(self.bytes.len());
        let limits = self.budget.map_or(limits, |budget| limits.with_budget(budget));
        codec::decode(self.codec, seed, self.bytes, limits)
            .map_err(|error| (self.explain)(error.into_error(Fate::Completed)))
    }

    /// The value of a method that returns no `Result`.
    ///
    /// # Errors
    /// The bytes are no such value; the call has completed.
    pub fn value<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Error> {
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
        S: DeserializeSeed<'a>,
        X: DeserializeSeed<'a>,
    {
        if self.failed {
            return Err(self.decode(err).map_or_else(CallError::Rpc, CallError::Service));
        }
        Ok(self.decode(ok)?)
    }
}
