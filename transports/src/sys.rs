//! System calls that no safe crate offers, and what this kernel can do. The only room with unsafe code.

pub(crate) mod clock;
#[cfg(feature = "shm")]
pub(crate) mod forked;
#[cfg(feature = "pipe")]
pub(crate) mod inherited;
#[cfg(any(feature = "unix", feature = "tcp"))]
pub(crate) mod option;
#[cfg(feature = "pipe")]
pub(crate) mod orphan;
#[cfg(feature = "unix")]
pub(crate) mod peer;
#[cfg(feature = "unix")]
pub(crate) mod pidfd;
#[cfg(any(feature = "unix", feature = "pipe"))]
pub(crate) mod probe;
#[cfg(feature = "shm")]
pub(crate) mod segment;
#[cfg(feature = "pipe")]
pub(crate) mod sigpipe;
