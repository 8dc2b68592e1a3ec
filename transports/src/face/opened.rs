//! A server whose URLs are listened at, before anything serves them.

use std::sync::Arc;

use farcall_core::transport::Listener;

use super::hosting::Hosting;
use super::options::Options;

/// One URL, understood and listened at.
pub(super) struct Door {
    pub(super) listener: Box<dyn Listener>,
    pub(super) options: Options,
}

/// What the URLs and the builder come to.
pub(super) struct Opened {
    pub(super) doors: Vec<Door>,
    pub(super) hosting: Arc<Hosting>,
    pub(super) urls: Vec<String>,
    pub(super) threads: usize,
    pub(super) workers: usize,
}
