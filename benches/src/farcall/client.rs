//! The client of the Farcall subjects: one call at a time, or many outstanding, blocking or on a runtime.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::farcall::Call;
use tokio::task::JoinSet;

use crate::case::{Case, Op};
use crate::measure::{Sample, Tally, measure, one_by_one};

use super::{EchoClient, process, runtime};

/// Connects and calls with `.wait()`.
pub(super) fn call_waiting(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let client: EchoClient = ::farcall::connect(url).wait().map_err(failed)?;
    let server = process(client.process().wait().map_err(failed)?)?;
    let bytes = vec![0x5a; case.bytes];
    measure(server, slice, |length, tally| match case.op {
        Op::Null => waiting(case.outstanding, length, tally, || client.add(20, 22)),
        Op::Echo => waiting(case.outstanding, length, tally, || client.echo(&bytes)),
    })
}

/// Calls for the given time; several outstanding ones are started together, then collected in order.
fn waiting<T: Send + 'static>(
    outstanding: usize,
    length: Duration,
    tally: &mut Tally,
    call: impl Fn() -> Call<T>,
) -> io::Result<()> {
    if outstanding == 1 {
        return one_by_one(length, tally, || call().wait().map(drop).map_err(failed));
    }
    let start = Instant::now();
    let mut before = start;
    while before - start < length {
        let calls = (0..outstanding).map(|_| call());
        for call in ::farcall::submit_all(calls) {
            call.wait().map_err(failed)?;
        }
        let after = Instant::now();
        tally.record_batch(after - before, outstanding);
        before = after;
    }
    Ok(())
}

/// Connects and calls with `.await`, on a current-thread runtime.
pub(super) fn call_awaiting(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let runtime = runtime()?;
    let client: EchoClient = runtime.block_on(async { ::farcall::connect(url).await }).map_err(failed)?;
    let server = runtime.block_on(async { client.process().await }).map_err(failed)?;
    let bytes: Arc<[u8]> = vec![0x5a; case.bytes].into();
    measure(process(server)?, slice, |length, tally| {
        let client = client.clone();
        let bytes = bytes.clone();
        runtime.block_on(async {
            match case.op {
                Op::Null => awaiting(case.outstanding, length, tally, move || client.add(20, 22)).await,
                Op::Echo => awaiting(case.outstanding, length, tally, move || client.echo(&bytes)).await,
            }
        })
    })
}

/// Calls for the given time, from as many tasks as calls may be outstanding.
async fn awaiting<T, F>(outstanding: usize, length: Duration, tally: &mut Tally, call: F) -> io::Result<()>
where
    T: Send + 'static,
    F: Fn() -> Call<T> + Clone + Send + 'static,
{
    if outstanding == 1 {
        return one_task(length, call, |latency| tally.record(latency)).await;
    }
    let shared = Arc::new(Mutex::new(std::mem::replace(tally, Tally::new())));
    let mut tasks = JoinSet::new();
    for _ in 0..outstanding {
        let (call, shared) = (call.clone(), shared.clone());
        tasks.spawn(one_task(length, call, move |latency| {
            shared.lock().unwrap_or_else(PoisonError::into_inner).record(latency);
        }));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(failed)??;
    }
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    *tally = std::mem::replace(&mut *shared, Tally::new());
    Ok(())
}

async fn one_task<T>(
    length: Duration,
    call: impl Fn() -> Call<T>,
    mut record: impl FnMut(Duration),
) -> io::Result<()> {
    let start = Instant::now();
    let mut before = start;
    while before - start < length {
        call().await.map_err(failed)?;
        let after = Instant::now();
        record(after - before);
        before = after;
    }
    Ok(())
}

fn failed(error: impl Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
