//! How long to wait before a connection is made again.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(10);

/// However many failures there were.
const LONGEST: Duration = Duration::from_secs(10);

/// A connection that has lived so long is forgiven what came before it.
const HEALTHY: Duration = Duration::from_secs(10);

/// The failures in a row of one place in a pool.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// A connection that lived for `lived`, or was not made at all, is gone: when to try again.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            self.0 = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.0.min(16)).min(LONGEST);
        self.0 = self.0.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..64).map(|_| backoff.after(Duration::ZERO)).collect();
        assert_eq!(waits[..3], [10, 20, 40].map(Duration::from_millis));
        assert!(waits.is_sorted() && waits[10..].iter().all(|wait| *wait == LONGEST), "{waits:?}");
    }

    #[test]
    fn a_long_life_is_a_new_beginning() {
        let mut backoff = Backoff::default();
        backoff.after(Duration::ZERO);
        backoff.after(Duration::ZERO);
        assert_eq!(backoff.after(HEALTHY), FIRST);
    }
}
