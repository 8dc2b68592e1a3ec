//! What configuration adds to the program's options. It may tighten limits and trust, never loosen them.

use farcall_core::{Error, Trust, limits};

use super::Options;
use crate::Query;
use crate::config::{Entry, Named};
use crate::query::TRUST;

impl Options {
    /// These options, which the program's code gives, under what is said outside: for what the code leaves open the name's
    /// own entry counts, then the file's default; of limits and trust the most careful.
    ///
    /// # Errors
    /// `InvalidConfig` with file and line, for a value that is none, and for an entry of the name's own that loosens.
    pub(in crate::face) fn under(self, named: &Named) -> Result<Options, Error> {
        let mut own = Options::default();
        for entry in &named.own {
            own = own.with(entry)?;
            if let Some(what) = own.loosens(&self) {
                return Err(Error::config(format!("{}: {what}", entry.place)));
            }
        }
        let defaults = named.defaults.iter().try_fold(Options::default(), Options::with)?;
        let cap = self.ceiling();
        Ok(Options {
            deadline: self.deadline.or(own.deadline).or(defaults.deadline),
            full: self.full.or(own.full).or(defaults.full),
            codec: self.codec.or(own.codec).or(defaults.codec),
            waiting: self.waiting.or(own.waiting).or(defaults.waiting),
            max_message: tighter(own.max_message, defaults.max_message, self.max_message, cap.max_message),
            window: tighter(own.window, defaults.window, self.window, cap.window),
            decode_budget: tighter(
                own.decode_budget,
                defaults.decode_budget,
                self.decode_budget,
                cap.decode_budget,
            ),
            copies: self.copies,
            restart: self.restart,
            check: self.check,
            // Said aloud, so that the URL is measured by it as well.
            trust: own.trust.or(defaults.trust).max(Some(cap.trust)),
        })
    }

    /// What of these options goes beyond what `code` allows, in words.
    pub(in crate::face) fn loosens(&self, code: &Options) -> Option<String> {
        let cap = code.ceiling();
        let more = |name: &str, value: u64, cap: u64| {
            (value > cap).then(|| {
                format!("`{name}` is {value}, and the program allows {cap}; lower it here or raise it there")
            })
        };
        let bytes = |name, value: Option<usize>, cap: usize| more(name, value? as u64, cap as u64);
        bytes("max_message", self.max_message, cap.max_message)
            .or_else(|| bytes("decode_budget", self.decode_budget, cap.decode_budget))
            .or_else(|| more("window", self.window?.into(), cap.window.into()))
            .or_else(|| {
                let text = "`trust` says more than the program does; say it there, in the builder";
                self.trust.is_some_and(|trust| trust < cap.trust).then(|| text.to_owned())
            })
    }

    /// The most that the program allows: what it says, else what is built in.
    fn ceiling(&self) -> Ceiling {
        Ceiling {
            max_message: self.max_message.unwrap_or(limits::DEFAULT_MAX_MESSAGE),
            window: self.window.unwrap_or(limits::DEFAULT_WINDOW),
            decode_budget: self.decode_budget.unwrap_or(limits::DECODE_BUDGET.1),
            trust: self.trust.unwrap_or_default(),
        }
    }

    /// These options and one that stands in a file, read as if it stood in a URL.
    fn with(self, entry: &Entry) -> Result<Options, Error> {
        let mut query = Query::new(entry.place.clone(), vec![(entry.key.clone(), entry.value.clone())]);
        if entry.key == "trust" {
            let trust = query.take_choice("trust", &TRUST)?;
            return Ok(Options { trust, ..self });
        }
        let read = self.for_client(&mut query)?;
        query.finish()?;
        Ok(read)
    }
}

struct Ceiling {
    max_message: usize,
    window: u32,
    decode_budget: usize,
    trust: Trust,
}

/// A limit that was said outside, none above `cap`; else what the program says.
fn tighter<T: Ord + Copy>(own: Option<T>, default: Option<T>, code: Option<T>, cap: T) -> Option<T> {
    own.or(default).map(|limit| limit.min(cap)).or(code)
}

#[cfg(test)]
mod tests;
