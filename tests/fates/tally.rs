//! What callers were told against what the server had written down: whether it is true, and whether it says enough.

use farcall::{Error, Fate};

/// How often each fate was seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) done: u64,
    pub(crate) not_sent: u64,
    pub(crate) not_executed: u64,
    pub(crate) unknown: u64,
    pub(crate) started: u64,
    pub(crate) completed: u64,
}

impl Tally {
    /// Nothing is said that is not true, and nothing ran twice. `bits`: how often the handler began and ended.
    pub(crate) fn judge(&mut self, context: &str, outcome: &Result<u64, Error>, bits: [u8; 2]) {
        let [started, finished] = bits;
        let context = format!("{context}: {outcome:?}, started {started}, finished {finished}");
        assert!(started <= 1 && finished <= started, "{context}");
        let (count, is_true) = match outcome.as_ref().map_err(Error::fate) {
            Ok(_) => (&mut self.done, finished == 1),
            Err(Fate::NotSent) => (&mut self.not_sent, started == 0),
            Err(Fate::NotExecuted) => (&mut self.not_executed, started == 0),
            Err(Fate::Unknown) => (&mut self.unknown, true),
            Err(Fate::Started) => (&mut self.started, started == 1 && finished == 0),
            Err(Fate::Completed) => (&mut self.completed, finished == 1),
        };
        *count += 1;
        assert!(is_true, "{context}");
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.kills += other.kills;
        self.done += other.done;
        self.not_sent += other.not_sent;
        self.not_executed += other.not_executed;
        self.unknown += other.unknown;
        self.started += other.started;
        self.completed += other.completed;
    }
}
