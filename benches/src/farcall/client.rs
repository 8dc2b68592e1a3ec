//! The client of the Farcall subjects: one call at a time, or many outstanding, blocking or on a runtime.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::farcall::Call;
use tokio::task::JoinSet;

use crate::case::{Case, Op};
use crate::measure::{Sample, Tally, measure, one_by_one};

use super::answers::{checked, failed, in_one_task};
use super::caller::{Caller, add, is_sum};

/// Parts in which many outstanding calls are replaced.
const PARTS: usize = 4;

thread_local! {
    /// What the tasks of this thread's runtime have counted.
    static TALLY: RefCell<Tally> = RefCell::new(Tally::new());
}

/// Connects and calls in the style of the case.
pub(super) fn call(case: Case, url: &str, slice: Duration) -> io::Result<Sample> {
    let caller = Caller::new(case.style)?;
    let client = caller.connect(url)?;
    let server = caller.server(&client)?;
    if case.op != Op::Echo {
        let call = move || add(&client);
        return measure(server, slice, |length, tally| run(&caller, case, length, tally, &call, is_sum));
    }
    let bytes: Arc<[u8]> = (0..case.bytes).map(|at| at as u8).collect();
    if caller.echo_once(&client, &bytes)? != *bytes {
        return Err(io::Error::other("the echo is not what was sent"));
    }
    // To compare whole messages would cost as much as to copy them.
    let ends = (bytes.len(), bytes.first().copied(), bytes.last().copied());
    let is_echo = move |echo: &Vec<u8>| (echo.len(), echo.first().copied(), echo.last().copied()) == ends;
    let call = move || client.echo(&bytes);
    measure(server, slice, |length, tally| run(&caller, case, length, tally, &call, is_echo))
}

fn run<T: Send + 'static>(
    caller: &Caller,
    case: Case,
    length: Duration,
    tally: &mut Tally,
    call: &(impl Fn() -> Call<T> + Clone + Send + 'static),
    is_right: impl Fn(&T) -> bool + Copy + Send + 'static,
) -> io::Result<()> {
    match (caller, case.outstanding) {
        (Caller::Waiting, 1) => one_by_one(length, tally, || checked(call().wait(), is_right)),
        (Caller::Waiting, outstanding) => kept_outstanding(outstanding, length, tally, call, is_right),
        (Caller::Awaiting(runtime), 1) => {
            let record = |latency| tally.record(latency);
            runtime.block_on(in_one_task(Instant::now() + length, call, is_right, record))
        }
        (Caller::Awaiting(runtime), outstanding) => {
            runtime.block_on(in_tasks(outstanding, length, tally, call, is_right))
        }
    }
}

/// Calls for the given time: so many are outstanding all the while. A part of them at a time is collected, in order, and
/// replaced by as many that are started together.
fn kept_outstanding<T: Send + 'static>(
    outstanding: usize,
    length: Duration,
    tally: &mut Tally,
    call: impl Fn() -> Call<T>,
    is_right: impl Fn(&T) -> bool + Copy,
) -> io::Result<()> {
    let part = outstanding.div_ceil(PARTS);
    let start_part = || (Instant::now(), ::farcall::submit_all((0..part).map(|_| call())));
    let mut waiting: VecDeque<_> = (0..outstanding / part).map(|_| start_part()).collect();
    let end = Instant::now() + length;
    while let Some((before, calls)) = waiting.pop_front() {
        for call in calls {
            checked(call.wait(), is_right)?;
        }
        let now = Instant::now();
        tally.record_batch(now - before, part);
        if now < end {
            waiting.push_back(start_part());
        }
    }
    Ok(())
}

/// Calls for the given time, from as many tasks as calls may be outstanding.
async fn in_tasks<T: Send + 'static>(
    outstanding: usize,
    length: Duration,
    tally: &mut Tally,
    call: &(impl Fn() -> Call<T> + Clone + Send + 'static),
    is_right: impl Fn(&T) -> bool + Copy + Send + 'static,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    // One end for all: a task whose calls are answered within their first poll lets no other task begin.
    let end = Instant::now() + length;
    for _ in 0..outstanding {
        let record = |latency| TALLY.with_borrow_mut(|tally| tally.record(latency));
        tasks.spawn(in_one_task(end, call.clone(), is_right, record));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(failed)??;
    }
    *tally = TALLY.replace(Tally::new());
    Ok(())
}
