//! How a process waits for a word in shared memory to change: awake, giving the processor away, or asleep.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::{futex, sched_yield};

use crate::case::Waiting;

/// A peer that is silent so long is broken. Who sleeps is not asked: the run kills what takes too long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at the word between two looks at the clock.
const LOOKS: u32 = 1 << 16;

/// Both sides of a word that the two processes wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turns {
    /// Looks again at once.
    Spin,
    /// Gives the processor away between two looks.
    Yield,
    /// Sleeps on the word; who changes it wakes.
    Futex,
}

impl Turns {
    /// What a case's waiting means for a word.
    pub(super) fn of(waiting: Waiting) -> io::Result<Self> {
        match waiting {
            Waiting::Spin => Ok(Self::Spin),
            Waiting::Yield => Ok(Self::Yield),
            Waiting::Park => Ok(Self::Futex),
            other => Err(io::Error::other(format!("nobody waits for a word by `{}`", other.word()))),
        }
    }

    /// Publishes everything written before, and tells a sleeper.
    #[inline]
    pub(super) fn store(self, word: &AtomicU32, value: u32) -> io::Result<()> {
        word.store(value, Ordering::Release);
        if matches!(self, Self::Futex) {
            futex::wake(word, futex::Flags::empty(), 1)?;
        }
        Ok(())
    }

    /// The first value that pleases, with everything that was written before it.
    #[inline]
    pub(super) fn wait(self, word: &AtomicU32, pleases: impl Fn(u32) -> bool) -> io::Result<u32> {
        let mut start = None;
        loop {
            for _ in 0..LOOKS {
                let value = word.load(Ordering::Acquire);
                if pleases(value) {
                    return Ok(value);
                }
                self.pause(word, value)?;
            }
            if start.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    #[inline]
    fn pause(self, word: &AtomicU32, seen: u32) -> io::Result<()> {
        match self {
            Self::Spin => spin_loop(),
            Self::Yield => sched_yield(),
            Self::Futex => match futex::wait(word, futex::Flags::empty(), seen, None) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }
}
