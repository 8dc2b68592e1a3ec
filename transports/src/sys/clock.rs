//! The monotonic clock, read as cheaply as the C library reads it.

use farcall_core::Time;

/// Nanoseconds on the monotonic clock, `CLOCK_MONOTONIC` of clock_gettime(2).
pub(crate) fn now() -> Time {
    read(libc::CLOCK_MONOTONIC)
}

/// The same clock as of its last tick, some milliseconds ago at most, for a quarter of the cost.
pub(crate) fn lately() -> Time {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(clock: libc::clockid_t) -> Time {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec of ours that the call writes and does not keep.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut now) };
    debug_assert_eq!(failed, 0, "every Linux has this clock");
    // The kernel counts from its start and gives neither part a sign.
    Time::from_nanos(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
}
