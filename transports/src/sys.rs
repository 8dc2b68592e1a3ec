//! System calls that no safe crate offers, and what this kernel can do. The only room with unsafe code.

#[cfg(feature = "pipe")]
pub(crate) mod inherited;
#[cfg(feature = "unix")]
pub(crate) mod peer;
#[cfg(feature = "unix")]
pub(crate) mod pidfd;
#[cfg(feature = "pipe")]
pub(crate) mod sigpipe;

#[cfg(any(feature = "unix", feature = "pipe"))]
pub(crate) mod probe;
