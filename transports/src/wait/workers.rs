//! Threads for handlers that block: started when needed, bounded, gone when idle or when their server is.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use farcall_core::{Code, Error, Fate};

/// Work that waits for a thread, at most.
const QUEUED: usize = farcall_core::limits::MAX_SERVER_CALLS as usize;

/// Time after which an idle thread ends.
const IDLE: Duration = Duration::from_secs(2);

type Work = Box<dyn FnOnce() + Send>;

/// A bounded set of threads.
pub(crate) struct Workers(Arc<Shared>);

struct Shared {
    most: usize,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    /// At most `most` threads; none yet.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let shared = Shared { most: most.max(1), state: Mutex::default(), news: Condvar::new() };
        Arc::new(Workers(Arc::new(shared)))
    }

    /// Runs `work` on a thread of its own, as soon as one is free.
    ///
    /// # Errors
    /// `Overloaded` if too much waits, `ResourceExhausted` if no thread can be started at all.
    pub(crate) fn run(&self, work: Work) -> Result<(), Error> {
        let mut state = self.0.lock();
        if state.queue.len() >= QUEUED {
            let text = format!("{QUEUED} blocking calls wait for a thread");
            return Err(Error::new(Code::Overloaded, Fate::NotExecuted, text));
        }
        state.queue.push_back(work);
        if state.idle < state.queue.len() && state.threads < self.0.most {
            let shared = Arc::clone(&self.0);
            let started =
                std::thread::Builder::new().name("farcall-worker".into()).spawn(move || shared.work());
            match started {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.queue.pop_back();
                    let text = format!("no thread can be started for a blocking handler: {error}");
                    return Err(
                        Error::new(Code::ResourceExhausted, Fate::NotExecuted, text).with_source(error)
                    );
                }
                Err(_) => {}
            }
        }
        drop(state);
        self.0.news.notify_one();
        Ok(())
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                // Whoever has given it hears of a panic by what is dropped; the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.news.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let unrun = std::mem::take(&mut state.queue);
        drop(state);
        self.0.news.notify_all();
        drop(unrun);
    }
}
