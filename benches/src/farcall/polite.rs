//! The subject `polite`: how long a call that waits holds its runtime, and what it leaves to a busy task beside it.

use std::future::poll_fn;
use std::hint::black_box;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::further::Name;
use crate::measure::{Sample, Tally, measure};

use super::answers::{failed, in_one_task};
use super::caller::{Caller, add, is_sum};

/// What the busy task does between two yields, roughly.
const STRETCH: Duration = Duration::from_micros(1);

/// The busy task alone, then beside a task that makes null calls, on one current-thread runtime.
pub(super) fn call(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let caller = Caller::new(case.style)?;
    let client = caller.connect(url)?;
    let server = caller.server(&client)?;
    let Caller::Awaiting(runtime) = &caller else {
        return Err(io::Error::other("only tasks of a runtime can be polite to each other"));
    };
    let work = Work::calibrated();
    let start = Instant::now();
    let alone = work.repeated(move || start.elapsed() < slice / 2);
    let alone = runtime.block_on(async { tokio::spawn(alone).await }).map_err(failed)?;
    let polls = Arc::new(Mutex::new(Polls::new()));
    let mut beside = 0.0;
    let mut sample = measure(server, slice, |length, tally| {
        *locked(&polls) = Polls::new();
        let (client, polls) = (client.clone(), polls.clone());
        let calling = async move {
            let mut calls = Tally::new();
            let call = || timed(add(&client), &polls);
            in_one_task(Instant::now() + length, call, is_sum, |latency| calls.record(latency)).await?;
            Ok::<_, io::Error>(calls)
        };
        runtime.block_on(async {
            let calls = Arc::new(AtomicBool::new(true));
            let goes_on = calls.clone();
            let busy = tokio::spawn(work.repeated(move || goes_on.load(Ordering::Relaxed)));
            let called = tokio::spawn(calling).await;
            calls.store(false, Ordering::Relaxed);
            *tally = called.map_err(failed)??;
            beside = busy.await.map_err(failed)?;
            Ok(())
        })
    })?;
    let polls = locked(&polls);
    sample.further.extend([
        (Name::PollP50Ns, polls.all.quantile(0.5) as f64),
        (Name::PollP99Ns, polls.all.quantile(0.99) as f64),
        (Name::BusyShare, beside / alone),
    ]);
    if !polls.waiting.is_empty() {
        sample.further.extend([
            (Name::WaitingPollP50Ns, polls.waiting.quantile(0.5) as f64),
            (Name::WaitingPollP99Ns, polls.waiting.quantile(0.99) as f64),
        ]);
    }
    Ok(sample)
}

/// How long single polls of calls took.
#[derive(Debug)]
struct Polls {
    all: Tally,
    /// Without the first poll of each call, which sends it: on one core the server may run before that returns. None where
    /// every call ends in its first poll.
    waiting: Tally,
}

impl Polls {
    fn new() -> Self {
        Self { all: Tally::new(), waiting: Tally::new() }
    }
}

/// The same future; its polls are tallied.
async fn timed<F: Future>(future: F, polls: &Mutex<Polls>) -> F::Output {
    let mut future = pin!(future);
    let mut is_sent = false;
    poll_fn(|context| {
        let before = Instant::now();
        let polled = future.as_mut().poll(context);
        let took = before.elapsed();
        let mut polls = locked(polls);
        polls.all.record_many(took, 1);
        if is_sent {
            polls.waiting.record_many(took, 1);
        }
        is_sent = true;
        polled
    })
    .await
}

fn locked(polls: &Mutex<Polls>) -> MutexGuard<'_, Polls> {
    polls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work of a fixed amount, so that time without the processor is time lost.
#[derive(Clone, Copy, Debug)]
struct Work {
    steps: u32,
}

impl Work {
    /// As many steps as fit into a stretch when nobody disturbs.
    fn calibrated() -> Self {
        let trial = Self { steps: 100_000 };
        let fastest = (0..20).map(|_| trial.timed()).min().unwrap_or(Duration::ZERO);
        let steps = f64::from(trial.steps) * STRETCH.as_secs_f64() / fastest.as_secs_f64().max(1e-9);
        Self { steps: steps.ceil() as u32 }
    }

    fn timed(self) -> Duration {
        let start = Instant::now();
        self.once();
        start.elapsed()
    }

    fn once(self) {
        for step in 0..self.steps {
            black_box(step);
        }
    }

    /// Works as long as asked and yields after each stretch; how many stretches a second were done.
    async fn repeated(self, goes_on: impl Fn() -> bool) -> f64 {
        let start = Instant::now();
        let mut stretches = 0_u64;
        while goes_on() {
            self.once();
            stretches += 1;
            tokio::task::yield_now().await;
        }
        stretches as f64 / start.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretch_of_work_is_about_a_microsecond() {
        let work = Work::calibrated();
        let fastest = (0..1_000).map(|_| work.timed()).min().unwrap();
        assert!(fastest > STRETCH / 4 && fastest < STRETCH * 8, "{fastest:?}");
    }
}
