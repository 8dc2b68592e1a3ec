//! The wires of Farcall: one file or folder per wire, and the table that finds them by URL.
//!
//! | scheme | file | carries bytes by | learns of the peer's death by |
//! |---|---|---|---|
//! | `mem:NAME` | `mem` | queues in this process | the queue's end |
//! | `unix:/path`, `unix:@name` | `unix` | a Unix stream socket | end of file, and the pidfd of whoever spoke first |
//! | `shm:NAME`, `shm:/path` | `shm` | two rings in shared memory | its socket's end, and the pidfd of whoever spoke first |
//! | `local:NAME`, `local:/path` | `local` | as `shm:` where both sides can, else as `unix:` | the same |
//! | `mailbox:/NAME` | `mailbox` | a message queue that any number of servers take calls from | the pidfd of whoever took the call; before that only deadlines |
//! | `mmap:/path` | `mmap` | the same rings in a mapped file | the same |
//! | `mq:NAME`, `mq:/path` | `mq` | a pair of POSIX message queues | the same |
//! | `tcp://host:port` | `tcp` | TCP | end of file, reset, keepalive; else only pings |
//! | `fifo:/path` | `fifo` | two named pipes, in chunks with a check sum | end of file only |
//! | `fd:R,W` (of [`pipe_pair`] or inherited) | `pipe` | two pipes, or one socket | end of file only |
//! | `exec:PROGRAM?arg=…` | `exec` | a child's stdin and stdout | end of file, and the child's pidfd |
//! | `stdio:` | `stdio` | this process's stdin and stdout | end of file, and the parent's pidfd if it used `exec:` |
//!
//! A wire from outside implements [`Scheme`] and is made known with [`register`].

#[cfg(not(target_os = "linux"))]
compile_error!(
    "the wires of farcall need Linux 5.10 or later; farcall-core and farcall-macros build everywhere"
);

#[cfg(feature = "config")]
mod config;
mod face;
mod nearest;
mod query;
mod registry;
mod scheme;
mod sys;
mod url;
mod wait;

#[cfg(any(feature = "unix", feature = "tcp"))]
mod arrivals;
#[cfg(feature = "pipe")]
mod duct;
#[cfg(feature = "pipe")]
mod exec;
#[cfg(feature = "fifo")]
mod fifo;
#[cfg(feature = "shm")]
mod local;
#[cfg(feature = "mailbox")]
mod mailbox;
#[cfg(feature = "shm")]
mod mark;
#[cfg(feature = "mem")]
mod mem;
#[cfg(feature = "shm")]
mod mmap;
#[cfg(feature = "mq")]
mod mq;
#[cfg(feature = "pipe")]
mod pipe;
#[cfg(any(feature = "mq", feature = "mailbox"))]
mod queue;
#[cfg(any(feature = "unix", feature = "tcp", feature = "pipe"))]
mod refusal;
#[cfg(feature = "shm")]
mod rendezvous;
#[cfg(any(feature = "shm", test, fuzzing))]
mod ring;
#[cfg(feature = "shm")]
mod shm;
#[cfg(any(feature = "pipe", feature = "mailbox"))]
mod single;
#[cfg(feature = "pipe")]
mod stdio;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "unix")]
mod unix;

pub use face::{Connect, Join, Server, ServerHandle, Shutdown, Starting, connect, pool, serve};
#[cfg(feature = "mailbox")]
pub use mailbox::remove_mailbox;
#[cfg(feature = "pipe")]
pub use pipe::{PipeEnd, pipe_pair};
pub use query::Query;
pub use registry::register;
pub use scheme::Scheme;
pub use url::Url;

/// Links by URL, below sessions and calls: for wires that wrap others, and for suites that test a wire.
pub mod links {
    pub use crate::registry::{connect, listen, may_block};
}

/// What the fuzz targets drive.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// One side of a ring whose memory answers as the input says.
    pub fn ring(input: &[u8]) {
        crate::ring::adversary::story(input);
    }
}
