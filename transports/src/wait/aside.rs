//! What blocks, for tasks that must not: on a thread of their runtime, or of this process where they have none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use farcall_core::{Code, Error, Fate};

use super::Workers;

/// Threads at most. What is done there takes seconds when nobody answers, so that others need not wait long.
const MOST: usize = 16;

/// Of the process that is named: a child that was forked from it has none of its threads.
static THREADS: Mutex<Option<(u32, Arc<Workers>)>> = Mutex::new(None);

/// Runs `work` where blocking is allowed and gives its result. If it is dropped before, the work goes on to its end, and
/// its result is dropped.
pub(crate) async fn unblock<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    #[cfg(feature = "tokio")]
    if super::Runtime::current().is_some() {
        return super::tokio::unblock(work).await;
    }
    let promise = Promise(Arc::new(Mutex::new(State::Awaited(Waker::noop().clone()))));
    let state = Arc::clone(&promise.0);
    threads().run(Box::new(move || promise.keep(work()))).map_err(|error| error.with_fate(Fate::NotSent))?;
    std::future::poll_fn(move |cx| {
        let mut state = lock(&state);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(result) => Poll::Ready(result),
            State::Taken => Poll::Ready(Err(ended_early())),
            State::Awaited(_) => {
                *state = State::Awaited(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

fn threads() -> Arc<Workers> {
    let mut threads = lock(&THREADS);
    let this = std::process::id();
    match &*threads {
        Some((process, threads)) if *process == this => Arc::clone(threads),
        _ => Arc::clone(&threads.insert((this, Workers::new(MOST))).1),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum State<T> {
    Awaited(Waker),
    Done(Result<T, Error>),
    Taken,
}

/// A result that is to come. Whoever drops it without one has ended early.
struct Promise<T>(Arc<Mutex<State<T>>>);

impl<T> Promise<T> {
    fn keep(&self, result: Result<T, Error>) {
        let mut state = lock(&self.0);
        let before = match &*state {
            State::Awaited(_) => std::mem::replace(&mut *state, State::Done(result)),
            State::Done(_) | State::Taken => return,
        };
        drop(state);
        if let State::Awaited(waker) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.keep(Err(ended_early()));
    }
}

fn ended_early() -> Error {
    Error::new(Code::Internal, Fate::NotSent, "the work ended early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::mpsc::channel;
    use std::task::Context;

    use crate::wait::helper;

    /// Runs `future` on the helper thread, as a task that no runtime polls.
    fn ran<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        let (tx, rx) = channel();
        helper::call_back(Box::pin(async move { drop(tx.send(future.await)) })).unwrap();
        rx.recv_timeout(std::time::Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn a_poll_does_not_wait_for_what_blocks() {
        let (go, wait) = channel::<()>();
        let mut work = pin!(unblock(move || {
            wait.recv().map_err(|_| ended_early())?;
            Ok(7)
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_pending());
        assert!(work.as_mut().poll(&mut cx).is_pending());
        go.send(()).unwrap();
        while work.as_mut().poll(&mut cx).is_pending() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_result_wakes_the_task() {
        assert_eq!(ran(unblock(|| Ok(7))), Ok(7));
    }

    #[test]
    fn work_that_panics_is_an_error_and_costs_no_thread() {
        for _ in 0..MOST * 2 {
            let error = ran(unblock(|| -> Result<(), Error> { panic!("as it is told to") })).unwrap_err();
            assert_eq!(error.fate(), Fate::NotSent);
        }
        assert_eq!(ran(unblock(|| Ok(7))), Ok(7));
    }
}
