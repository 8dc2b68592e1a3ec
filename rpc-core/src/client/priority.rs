//! Which of the calls that wait for somebody to take them is taken first.

use crate::client::Call;
use crate::limits::MAX_PRIORITY;

impl<T, E> Call<T, E> {
    /// The same call with this priority, 0 to 31: of the calls that wait in a mailbox the highest is taken first,
    /// and among equals the eldest. 0 unless this says otherwise, 31 at most. On other wires nothing waits, and this
    /// changes nothing.
    ///
    /// ```
    /// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-priority")?;
    /// assert_eq!(calc.add(2, 3).priority(31).wait()?, 5);
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn priority(mut self, priority: u8) -> Self {
        self.course.priority = priority.min(MAX_PRIORITY);
        self
    }
}
