//! The CPU clock of a process, ours or another one's, in nanoseconds.

use std::io;
use std::time::Duration;

use rustix::process::Pid;

/// User and system time that all threads of one process have used (`clock_getcpuclockid(3)`).
#[derive(Debug)]
pub(crate) struct CpuClock {
    id: libc::clockid_t,
}

impl CpuClock {
    /// The clock of that process; an error if there is none.
    pub(crate) fn of(process: Pid) -> io::Result<Self> {
        let mut id = 0;
        // SAFETY: `id` outlives the call, which writes one clock id there.
        let error = unsafe { libc::clock_getcpuclockid(process.as_raw_nonzero().get(), &raw mut id) };
        if error == 0 { Ok(Self { id }) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// The time used until now; an error once the process has gone.
    pub(crate) fn read(&self) -> io::Result<Duration> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call, which writes one timespec there.
        let status = unsafe { libc::clock_gettime(self.id, &raw mut time) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
        let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
        let nanos = u64::try_from(time.tv_nsec).map_err(io::Error::other)?;
        Ok(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_of_this_process_advances_with_work() {
        let clock = CpuClock::of(rustix::process::getpid()).unwrap();
        let before = clock.read().unwrap();
        while clock.read().unwrap() == before {}
        assert!(clock.read().unwrap() > before);
    }
}
