//! One measurement: warm-up, a slice of calls, what was counted meanwhile.

use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::process::{Pid, getpid};
use serde::{Deserialize, Serialize};

use crate::clock::CpuClock;
use crate::further::Further;

/// What one measurement found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) calls_per_s: f64,
    /// CPU time of both processes.
    pub(crate) cpu_ns_per_call: f64,
    /// What only some cases look at.
    #[serde(flatten)]
    pub(crate) further: Further,
}

/// The latencies of one slice.
#[derive(Debug)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
}

impl Tally {
    /// Nothing counted yet. Latencies above a minute count as a minute.
    pub(crate) fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are constants");
        Self { latencies }
    }

    /// One call that took so long, the clock and the tally included: what they take is taken off.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_many(latency.saturating_sub(own_cost()), 1);
    }

    /// Calls that were started together: each counts as long as it took until all of them had ended.
    pub(crate) fn record_batch(&mut self, together: Duration, calls: usize) {
        let each = u64::try_from(together.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.saturating_record_n(each, calls as u64);
    }

    /// Calls too short to be timed one by one: so many in so much time.
    pub(crate) fn record_many(&mut self, together: Duration, calls: u32) {
        let each = u64::try_from(together.as_nanos()).unwrap_or(u64::MAX) / u64::from(calls);
        self.latencies.saturating_record_n(each, u64::from(calls));
    }

    /// Whether nothing has been counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.latencies.is_empty()
    }

    /// The latency that this part of the calls did not exceed, in nanoseconds.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        self.latencies.value_at_quantile(part)
    }
}

/// What it takes to time a call by itself. It counts where a call takes half a microsecond, and against a probe that is timed
/// in batches.
fn own_cost() -> Duration {
    static COST: LazyLock<Duration> = LazyLock::new(|| {
        let mut tally = Tally::new();
        let mut before = Instant::now();
        for _ in 0..10_000 {
            let after = Instant::now();
            tally.record_many(after - before, 1);
            before = after;
        }
        Duration::from_nanos(tally.quantile(0.5))
    });
    *COST
}

/// Runs a slice of calls against that server process, after a warm-up of an eighth of its length.
///
/// `run` makes calls for the given time and tallies them; it is called twice.
pub(crate) fn measure(
    server: Pid,
    slice: Duration,
    mut run: impl FnMut(Duration, &mut Tally) -> io::Result<()>,
) -> io::Result<Sample> {
    run(slice / 8, &mut Tally::new())?;
    let clocks = [CpuClock::of(getpid())?, CpuClock::of(server)?];
    let used = || Ok::<_, io::Error>(clocks[0].read()? + clocks[1].read()?);
    let mut tally = Tally::new();
    let before = used()?;
    let start = Instant::now();
    run(slice, &mut tally)?;
    let elapsed = start.elapsed();
    let cpu = used()? - before;
    let calls = tally.latencies.len();
    if calls == 0 {
        return Err(io::Error::other("no call ended within the slice"));
    }
    Ok(Sample {
        p50_ns: tally.quantile(0.5),
        p99_ns: tally.quantile(0.99),
        calls_per_s: calls as f64 / elapsed.as_secs_f64(),
        cpu_ns_per_call: cpu.as_nanos() as f64 / calls as f64,
        further: Further::new(),
    })
}

/// One call after the other for the given time.
pub(crate) fn one_by_one(
    length: Duration,
    tally: &mut Tally,
    mut call: impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let start = Instant::now();
    let mut before = start;
    while before - start < length {
        call()?;
        let after = Instant::now();
        tally.record(after - before);
        before = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_not_counted() {
        let mut slices = Vec::new();
        let sample = measure(getpid(), Duration::from_millis(8), |length, tally| {
            tally.record_many(Duration::from_nanos(if slices.is_empty() { 9_000 } else { 500 }), 1);
            slices.push(length);
            Ok(())
        })
        .unwrap();
        assert_eq!(slices, [Duration::from_millis(1), Duration::from_millis(8)]);
        assert_eq!((sample.p50_ns, sample.p99_ns), (500, 500));
    }

    #[test]
    fn slice_without_calls_is_an_error() {
        assert!(measure(getpid(), Duration::ZERO, |_, _| Ok(())).is_err());
    }
}
