//! Peers that play by other rules: false grants, and raw ends of real connections.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use farcall_core::transport::{Link, Listener, Readiness};
use farcall_core::wire::rendezvous::Wish;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Parts, Shm, Terms, ask, parts};
use crate::scheme::Scheme;
use crate::url::Url;

mod grants;
mod raw;
mod sources;

/// Whatever a test waits for comes within this time, or the test fails.
const LIMIT: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

fn await_readable(fd: impl AsFd) {
    let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&LIMIT)).unwrap();
    assert_eq!(ready, 1, "nothing happened in time");
}

/// A place for a socket, and its URL.
fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("shm:{}/s", directory.path().display());
    (directory, url)
}

/// The connecting end of a connection as it is before a link is made of it.
fn raw_connector(url: &str) -> Parts {
    let url = Url::parse(url).unwrap();
    let terms = Terms::of(&url, &mut url.query()).unwrap();
    parts(ask(&url, &terms, Wish::Memory).unwrap(), "shm").unwrap()
}

/// A real link on the listening side, and the raw end of its peer. `options` are the listening side's.
fn link_and_raw(options: &str) -> (Box<dyn Link>, Parts) {
    let (_directory, url) = place();
    let served = Url::parse(&format!("{url}{options}")).unwrap();
    let mut listener = Shm.listen(&served, &mut served.query()).unwrap();
    let connecting = std::thread::spawn(move || raw_connector(&url));
    let link = accept(&mut *listener);
    (link, connecting.join().unwrap())
}

fn accept(listener: &mut dyn Listener) -> Box<dyn Link> {
    loop {
        match listener.accept() {
            Ok(link) => return link,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let Readiness::Fd { read, .. } = listener.readiness() else { unreachable!() };
        await_readable(&*read);
    }
}
