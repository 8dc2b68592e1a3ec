//! The options that all wires share. The URL's word is stronger than the builder's.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use farcall_core::client::Policy;
use farcall_core::codec::Codec;
use farcall_core::driver::Waiting;
use farcall_core::limits;
use farcall_core::proto::{Config, Role, WhenFull};
use farcall_core::{Error, Trust};

use super::check::Check;
use crate::Query;

/// The most connections of a pool.
pub(super) const MOST_COPIES: u16 = 1024;

/// Which connections are made again after they end. `?restart=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Restart {
    /// All.
    #[default]
    Always,
    /// Those that did not end in order: a program that ends with status 0 has done what it was for.
    OnFailure,
    /// None.
    Never,
}

impl Restart {
    pub(super) const WORDS: [(&str, Restart); 3] =
        [("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];
}

#[cfg(feature = "config")]
mod outside;

/// What builder, configuration or URL has said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) deadline: Option<Duration>,
    pub(super) max_message: Option<usize>,
    pub(super) window: Option<u32>,
    pub(super) full: Option<WhenFull>,
    pub(super) codec: Option<Codec>,
    pub(super) decode_budget: Option<usize>,
    pub(super) trust: Option<Trust>,
    pub(super) waiting: Option<Waiting>,
    /// Connections to one URL.
    pub(super) copies: Option<u16>,
    pub(super) restart: Option<Restart>,
    pub(super) check: Option<Check>,
}

/// What the window may be.
const WINDOWS: RangeInclusive<u32> = 1..=limits::MAX_WINDOW;

/// What the largest message may be, in bytes.
const MESSAGES: RangeInclusive<usize> = 1..=limits::MAX_MAX_MESSAGE;

/// What the decoding budget may be, in bytes.
const BUDGETS: RangeInclusive<usize> = 1024..=limits::MAX_MAX_MESSAGE;

/// The shortest and the longest deadline that can be asked for.
const DEADLINES: RangeInclusive<Duration> = Duration::from_nanos(1)..=limits::MAX_DEADLINE;

impl Options {
    /// These options under those that a connecting side's URL gives.
    ///
    /// # Errors
    /// `InvalidConfig` for a value that is none or lies outside its range.
    pub(super) fn for_client(self, query: &mut Query) -> Result<Self, Error> {
        within("deadline", self.deadline, &DEADLINES)?;
        let codec = match query.take_text("codec")? {
            None => None,
            Some(name) => Some(Codec::from_name(&name).ok_or_else(|| {
                query.refuse(format_args!(
                    "option `codec` does not know `{name}`; it may be left out of this build (features)"
                ))
            })?),
        };
        let full = query.take_choice("full", &[("wait", WhenFull::Wait), ("fail", WhenFull::Fail)])?;
        query.set_full(full.or(self.full).unwrap_or_default());
        let deadline = query.take_duration("deadline", DEADLINES)?;
        let copies = query.take_number("n", 1..=MOST_COPIES)?;
        let restart = query.take_choice("restart", &Restart::WORDS)?;
        let check = query.take_choice("check", &[("lazy", Check::Lazy), ("strict", Check::Strict)])?;
        let shared = self.for_server(query)?;
        Ok(Options {
            deadline: deadline.or(self.deadline),
            full: full.or(self.full),
            codec: codec.or(self.codec),
            copies: copies.or(self.copies),
            restart: restart.or(self.restart),
            check: check.or(self.check),
            ..shared
        })
    }

    /// These options under those that a listening side's URL gives.
    ///
    /// # Errors
    /// `InvalidConfig` for a value that is none or lies outside its range.
    pub(super) fn for_server(self, query: &mut Query) -> Result<Self, Error> {
        within("max_message", self.max_message, &MESSAGES)?;
        within("window", self.window, &WINDOWS)?;
        within("decode_budget", self.decode_budget, &BUDGETS)?;
        let max_message = query.take_bytes("max_message", MESSAGES)?;
        let window = query.take_number("window", WINDOWS)?;
        let decode_budget = query.take_bytes("decode_budget", BUDGETS)?;
        // Taken by the wires that act on it.
        query.set_trust(self.trust);
        let waits = [("auto", Waiting::Auto), ("spin", Waiting::Spin), ("park", Waiting::Park)];
        let waiting = query.take_choice("wait", &waits)?;
        Ok(Options {
            max_message: max_message.or(self.max_message),
            window: window.or(self.window),
            decode_budget: decode_budget.or(self.decode_budget),
            waiting: waiting.or(self.waiting),
            ..self
        })
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            deadline: self.deadline.unwrap_or(limits::DEFAULT_DEADLINE),
            decode_budget: self.decode_budget,
        }
    }

    pub(super) fn config(&self, role: Role, attended_always: bool, needs_ping: bool) -> Config {
        Config {
            role,
            attended_always,
            max_message: self.max_message.unwrap_or(limits::DEFAULT_MAX_MESSAGE),
            window: self.window.unwrap_or(limits::DEFAULT_WINDOW),
            when_full: self.full.unwrap_or_default(),
            codec: self.codec.unwrap_or_default().name().to_owned(),
            needs_ping,
        }
    }
}

/// Checks what the builder was given.
///
/// # Errors
/// `InvalidConfig` if it lies outside the range.
pub(super) fn within<T: PartialOrd + Debug>(
    name: &str,
    value: Option<T>,
    range: &RangeInclusive<T>,
) -> Result<(), Error> {
    match value {
        Some(value) if !range.contains(&value) => {
            let (least, most) = (range.start(), range.end());
            Err(Error::config(format!(
                "`{name}({value:?})` is out of range; it may be {least:?} to {most:?}"
            )))
        }
        _ => Ok(()),
    }
}
