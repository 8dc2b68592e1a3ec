//! A server on threads of its own: links are spread over them as they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use farcall_core::transport::Link;
use farcall_core::{Code, Error, Fate};

use super::handle::{Engine, ServerHandle};
use super::hosting::Hosting;
use super::opened::Opened;
use super::options::Options;
use crate::wait::{Arrivals, Errand, Home, Lifetime, Local, Reactor, Workers};

/// Starts the server on threads of its own.
pub(super) fn start(opened: Opened) -> Result<ServerHandle, Error> {
    let Opened { doors, hosting, urls, threads, workers } = opened;
    let workers = Workers::new(workers);
    let mut reactors = Vec::new();
    for number in 0..threads {
        let name =
            if threads == 1 { "farcall-server".to_owned() } else { format!("farcall-server-{number}") };
        let reactor =
            Reactor::start(name, Lifetime::UntilStopped, Errand::CloseListeners).map_err(|error| {
                let text = format!("a thread for the server cannot be started: {error}");
                Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
            })?;
        reactors.push(reactor);
    }
    let spread: Arc<[Reactor]> = reactors.into();
    for (number, (door, url)) in doors.into_iter().zip(&urls).enumerate() {
        let arrivals = Arc::new(Reception {
            hosting: Arc::clone(&hosting),
            reactors: Arc::clone(&spread),
            next: AtomicUsize::new(number),
            workers: Arc::clone(&workers),
            options: door.options,
            url: url.clone(),
        });
        drop(spread[number % spread.len()].give(Errand::Listen(door.listener, arrivals)));
    }
    Ok(ServerHandle::new(hosting, urls, Engine::Threads(spread)))
}

/// Takes the links of one listener and spreads them over the server's threads.
struct Reception {
    hosting: Arc<Hosting>,
    reactors: Arc<[Reactor]>,
    next: AtomicUsize,
    workers: Arc<Workers>,
    options: Options,
    url: String,
}

impl Arrivals for Reception {
    fn arrived(&self, link: Box<dyn Link>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let reactor = &self.reactors[turn % self.reactors.len()];
        let host = Local::host(Home::Reactor(reactor.clone(), Arc::clone(&self.workers)));
        if let Some(driver) = self.hosting.welcome(link, &self.options, &self.url, host) {
            drop(reactor.give(Errand::Adopt(driver)));
        }
    }

    fn closed(&self) {
        self.hosting.door_closed();
    }
}
