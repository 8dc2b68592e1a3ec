//! Calls one after the other, and whether their answers are right.

use std::error::Error;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

/// Calls until then, each as soon as the one before has ended.
pub(super) async fn in_one_task<T, F>(
    end: Instant,
    call: impl Fn() -> F,
    is_right: impl Fn(&T) -> bool,
    mut record: impl FnMut(Duration),
) -> io::Result<()>
where
    F: Future<Output = Result<T, ::farcall::Error>>,
{
    let mut before = Instant::now();
    while before < end {
        checked(call().await, &is_right)?;
        let after = Instant::now();
        record(after - before);
        before = after;
    }
    Ok(())
}

/// An error if the call failed or its answer is wrong.
pub(super) fn checked<T>(
    answer: Result<T, ::farcall::Error>,
    is_right: impl Fn(&T) -> bool,
) -> io::Result<()> {
    match answer {
        Ok(answer) if is_right(&answer) => Ok(()),
        Ok(_) => Err(io::Error::other("the answer is wrong")),
        Err(error) => Err(failed(error)),
    }
}

pub(super) fn failed(error: impl Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
