//! What this kernel can do, asked once; `FARCALL_TEST_DISABLE=reopen,nowait,nosignal,passpidfd,memfd,fallocate,wipeonfork`
//! lets tests run the fallbacks.

/// Whether a test has switched this feature off by the environment.
pub(crate) fn is_disabled(feature: &str) -> bool {
    std::env::var("FARCALL_TEST_DISABLE").is_ok_and(|list| list.split(',').any(|word| word.trim() == feature))
}

#[cfg(feature = "pipe")]
pub(crate) use flags::{NOSIGNAL, can_nosignal, can_nowait, may_reopen};

#[cfg(feature = "pipe")]
mod flags {
    use std::io::{IoSlice, IoSliceMut};
    use std::sync::OnceLock;

    use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::is_disabled;

    /// `RWF_NOSIGNAL` (Linux 6.18): a broken pipe is an error and no signal. rustix has no name for it yet.
    pub(crate) const NOSIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);

    /// Whether descriptors may be opened anew through `/proc`; whether it works shows when it is done.
    pub(crate) fn may_reopen() -> bool {
        !is_disabled("reopen")
    }

    /// Whether `RWF_NOWAIT` works on anonymous pipes.
    pub(crate) fn can_nowait() -> bool {
        static KNOWN: OnceLock<bool> = OnceLock::new();
        *KNOWN.get_or_init(|| !is_disabled("nowait") && reads_without_waiting())
    }

    /// Whether `RWF_NOSIGNAL` works.
    pub(crate) fn can_nosignal() -> bool {
        static KNOWN: OnceLock<bool> = OnceLock::new();
        *KNOWN.get_or_init(|| !is_disabled("nosignal") && writes_without_signal())
    }

    fn reads_without_waiting() -> bool {
        let Ok((read, _write)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) else {
            return false;
        };
        let mut byte = [0];
        let answer = preadv2(&read, &mut [IoSliceMut::new(&mut byte)], u64::MAX, ReadWriteFlags::NOWAIT);
        answer == Err(Errno::AGAIN)
    }

    fn writes_without_signal() -> bool {
        let Ok((_read, write)) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) else {
            return false;
        };
        pwritev2(&write, &[IoSlice::new(&[0])], u64::MAX, NOSIGNAL) == Ok(1)
    }
}
