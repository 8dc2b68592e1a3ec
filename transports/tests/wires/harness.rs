//! Bounded waiting on links, and children of this test program.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use farcall_core::Error;
use farcall_core::transport::{Link, LinkFault, Listener, OutFrame, Readiness, Received, Sent};
use farcall_transports::Url;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whatever a test waits for comes within this time, or the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn connect(url: &str) -> Result<Box<dyn Link>, Error> {
    let url = Url::parse(url)?;
    farcall_transports::links::connect(&url, &mut url.query())
}

pub(crate) fn listen(url: &str) -> Result<Box<dyn Listener>, Error> {
    let url = Url::parse(url)?;
    farcall_transports::links::listen(&url, &mut url.query())
}

/// A connected pair: the connecting link, and the accepted one.
pub(crate) fn pair(url: &str) -> (Box<dyn Link>, Box<dyn Link>, Box<dyn Listener>) {
    let mut listener = listen(url).unwrap();
    let (here, there) = meet(&mut *listener, "");
    (here, there, listener)
}

/// A connected pair by way of this listener; `options` are the connecting side's. Connecting may wait for the accepting.
pub(crate) fn meet(listener: &mut dyn Listener, options: &str) -> (Box<dyn Link>, Box<dyn Link>) {
    let url = format!("{}{options}", listener.local_url());
    std::thread::scope(|scope| {
        let connecting = scope.spawn(move || connect(&url).unwrap());
        let there = accept(listener);
        (connecting.join().unwrap(), there)
    })
}

pub(crate) fn accept(listener: &mut dyn Listener) -> Box<dyn Link> {
    let end = Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok(link) => return link,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                sleep_on(&listener.readiness(), PollFlags::IN, end, || true);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn send(link: &mut dyn Link, bytes: &[u8]) -> Result<(), LinkFault> {
    let end = Instant::now() + LIMIT;
    let (head, body) = bytes.split_at(bytes.len().min(16));
    while link.send(OutFrame { head, body })? == Sent::WouldBlock {
        let readiness = link.readiness();
        sleep_on(&readiness, PollFlags::OUT, end, || link.arm());
    }
    flush(link)
}

pub(crate) fn flush(link: &mut dyn Link) -> Result<(), LinkFault> {
    let end = Instant::now() + LIMIT;
    while link.flush()? == Sent::WouldBlock {
        let readiness = link.readiness();
        sleep_on(&readiness, PollFlags::OUT, end, || link.arm());
    }
    Ok(())
}

/// The next frame; `None` at the end.
pub(crate) fn receive(link: &mut dyn Link) -> Result<Option<Vec<u8>>, LinkFault> {
    let end = Instant::now() + LIMIT;
    loop {
        match link.receive()? {
            Received::Frame(frame) => return Ok(Some(frame.to_vec())),
            Received::Closed => return Ok(None),
            Received::WouldBlock => {}
        }
        let readiness = link.readiness();
        sleep_on(&readiness, PollFlags::IN, end, || link.arm());
    }
}

/// How a link ends that is only read from.
pub(crate) fn fault(link: &mut dyn Link) -> String {
    match receive(link) {
        Err(fault) => fault.to_string(),
        Ok(other) => panic!("no fault but {other:?}"),
    }
}

fn sleep_on(readiness: &Readiness, flags: PollFlags, end: Instant, arm: impl FnOnce() -> bool) {
    assert!(Instant::now() < end, "nothing happened in time");
    match readiness {
        Readiness::Fd { read, write } => {
            let fd = if flags == PollFlags::IN { read } else { write };
            if arm() {
                assert!(is_ready(fd.as_fd(), flags, LIMIT), "nothing happened in time");
            }
        }
        Readiness::Bell(bell) => {
            if arm() {
                assert!(is_ready(bell.as_fd(), PollFlags::IN, LIMIT), "nothing happened in time");
            }
        }
        Readiness::Event(event) => {
            let ticket = event.subscribe(Waker::from(Arc::new(Unpark(thread::current()))));
            if arm() {
                // A stray token of another wake-up only means another round.
                thread::park_timeout(LIMIT);
            }
            event.unsubscribe(ticket);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap();
    poll(&mut [PollFd::new(&fd, flags)], Some(&limit)).unwrap() == 1
}

pub(crate) fn is_over(life: &OwnedFd, limit: Duration) -> bool {
    is_ready(life.as_fd(), PollFlags::IN, limit)
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not in time");
        thread::yield_now();
    }
}

/// This program again, running only the named part of `children`.
pub(crate) fn child(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("children::{part}"), "--nocapture"]).env("FARCALL_TEST_PART", part);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

pub(crate) fn is_child(part: &str) -> bool {
    std::env::var("FARCALL_TEST_PART").is_ok_and(|wanted| wanted == part)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
