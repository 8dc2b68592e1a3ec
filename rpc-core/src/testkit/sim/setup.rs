//! What a simulated pair is given, and what came of its calls.

use super::end::Ended;
use crate::error::Fate;
use crate::proto::WhenFull;
use crate::testkit::Cut;

/// How a pair is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Largest message that either side takes, in bytes.
    pub max_message: usize,
    /// Calls that either side takes without a verdict.
    pub window: u32,
    /// What a call does without credit.
    pub when_full: WhenFull,
    /// Whether only pings tell that a peer is gone.
    pub needs_ping: bool,
    /// Whether each side is always attended.
    pub attended: [bool; 2],
    /// The link is cut once so many bytes of a direction have been accepted.
    pub cut: Option<(usize, usize, Cut)>,
    /// Bytes that move at a time.
    pub chunk: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            max_message: 1 << 20,
            window: 256,
            when_full: WhenFull::Wait,
            needs_ping: false,
            attended: [true; 2],
            cut: None,
            chunk: usize::MAX,
        }
    }
}

/// How the calls of a story ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls, started or refused.
    pub calls: usize,
    /// Calls with a value or the service's own error.
    pub answered: usize,
    /// Calls whose callers left.
    pub left: usize,
    /// Failed calls by fate: not sent, not executed, unknown, started, completed.
    pub fates: [usize; 5],
    /// Bytes that left each side.
    pub bytes: [usize; 2],
}

impl Counts {
    pub(super) fn add(&mut self, ended: Option<&Ended>, left: bool) {
        self.calls += 1;
        self.left += usize::from(left);
        match ended {
            Some(Ended::Value(_) | Ended::Failed(_)) => self.answered += 1,
            Some(Ended::Error(error)) => {
                let at = match error.fate() {
                    Fate::NotSent => 0,
                    Fate::NotExecuted => 1,
                    Fate::Unknown => 2,
                    Fate::Started => 3,
                    Fate::Completed => 4,
                };
                self.fates[at] += 1;
            }
            None => {}
        }
    }

    /// Both together.
    pub fn plus(mut self, other: Counts) -> Counts {
        self.calls += other.calls;
        self.answered += other.answered;
        self.left += other.left;
        for (mine, theirs) in self.fates.iter_mut().zip(other.fates) {
            *mine += theirs;
        }
        for (mine, theirs) in self.bytes.iter_mut().zip(other.bytes) {
            *mine += theirs;
        }
        self
    }
}
