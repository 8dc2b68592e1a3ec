//! A listener of one link, for wires on which there is nobody to wait for.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::transport::{Link, Listener, Readiness};
use rustix::event::{EventfdFlags, eventfd};

pub(crate) struct Single {
    link: Option<Box<dyn Link>>,
    url: String,
    /// Readable until the link has been taken, so that whoever polls first and accepts then finds it.
    bell: Arc<OwnedFd>,
}

impl Single {
    pub(crate) fn new(link: Box<dyn Link>, url: String) -> io::Result<Self> {
        let bell = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Single { link: Some(link), url, bell: Arc::new(bell) })
    }
}

impl Listener for Single {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        let link = self.link.take().ok_or(io::ErrorKind::WouldBlock)?;
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        Ok(link)
    }

    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: self.bell.clone(), write: self.bell.clone() }
    }

    fn local_url(&self) -> String {
        self.url.clone()
    }

    fn is_single(&self) -> bool {
        true
    }
}
