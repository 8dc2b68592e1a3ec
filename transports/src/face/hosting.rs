//! A running server: its connections, its doors, and the order in which it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};

use farcall_core::driver::{self, Driver, Host, Parts};
use farcall_core::limits::MAX_CONNECTIONS;
use farcall_core::proto::{Machine, Role};
use farcall_core::server::{Load, Router};
use farcall_core::session::{Chores, Session};
use farcall_core::transport::Link;
use farcall_core::{Code, Error, Fate, Gone, Service};
use slab::Slab;

use super::options::Options;
use crate::wait;

/// What its connections share.
pub(super) struct Hosting {
    services: Arc<[Arc<dyn Service>]>,
    load: Load,
    state: Mutex<State>,
}

struct State {
    drivers: Slab<Arc<Driver>>,
    /// Listeners that still accept.
    doors: usize,
    closing: bool,
    /// Those who wait for the end, or for doors to close.
    watchers: Vec<Waker>,
}

/// Takes a connection off the list when its session ends.
struct Farewell {
    hosting: Weak<Hosting>,
    place: usize,
}

impl Hosting {
    pub(super) fn new(services: Vec<Arc<dyn Service>>, doors: usize) -> Arc<Self> {
        let state = State { drivers: Slab::new(), doors, closing: false, watchers: Vec::new() };
        Arc::new(Hosting { services: services.into(), load: Load::default(), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a driver of a link that has arrived; `None`: too many connections, or the server ends.
    pub(super) fn welcome(
        self: &Arc<Self>,
        link: Box<dyn Link>,
        options: &Options,
        url: &str,
        host: Arc<dyn Host>,
    ) -> Option<Arc<Driver>> {
        let config = options.config(Role::Accepting, true, link.capabilities().needs_ping);
        let router = Router::new(Arc::clone(&self.services), self.load.clone(), options.decode_budget);
        let driver = Driver::new(Parts {
            session: Session::new(Machine::new(config, wait::now())),
            link,
            host,
            server: Some(Arc::new(router)),
            home: driver::Home::Attendants,
            waiting: options.waiting.unwrap_or_default(),
            url: url.to_owned(),
        });
        let mut state = self.lock();
        if state.closing || state.drivers.len() >= MAX_CONNECTIONS {
            drop(state);
            return None;
        }
        let place = state.drivers.insert(Arc::clone(&driver));
        drop(state);
        let farewell = Arc::new(Farewell { hosting: Arc::downgrade(self), place });
        if driver.session().over(&Waker::from(Arc::clone(&farewell))).is_some() {
            farewell.wake();
        }
        Some(driver)
    }

    /// A listener has closed.
    pub(super) fn door_closed(&self) {
        let mut state = self.lock();
        state.doors = state.doors.saturating_sub(1);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        wake(watchers);
    }

    /// No more connections; doors should close.
    pub(super) fn close_doors(&self) {
        let mut state = self.lock();
        state.closing = true;
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        wake(watchers);
    }

    /// Whether the doors should close; if not, `waker` is woken when they should.
    #[cfg(feature = "tokio")]
    pub(super) fn is_closing(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        if !state.closing {
            state.watchers.push(waker);
        }
        state.closing
    }

    /// Whether all doors are closed; if not, `waker` is woken when one closes.
    pub(super) fn doors_are_closed(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        if state.doors > 0 {
            state.watchers.push(waker);
        }
        state.doors == 0
    }

    /// Whether all doors are closed and all connections gone; if not, `waker` is woken when something changes.
    pub(super) fn is_over(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        let over = state.doors == 0 && state.drivers.is_empty();
        if !over {
            state.watchers.push(waker);
        }
        over
    }

    pub(super) fn drivers(&self) -> Vec<Arc<Driver>> {
        self.lock().drivers.iter().map(|(_, driver)| Arc::clone(driver)).collect()
    }

    /// Tells every peer that no new calls are taken.
    pub(super) fn drain(&self) {
        for driver in self.drivers() {
            driver.session().drain();
            driver.flush_soon();
        }
    }

    /// Ends what still runs and says goodbye; the goodbyes leave as the links take them.
    pub(super) fn dismiss(&self) {
        let error = Error::new(Code::Draining, Fate::Unknown, "the server has shut down");
        for driver in self.drivers() {
            let mut chores = Chores::default();
            driver.session().stop_running(&mut chores);
            driver.session().close(&error);
            chores.run();
            driver.flush();
        }
    }

    /// Drops every connection that is left.
    pub(super) fn cut(&self) {
        let error = Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, "the server has shut down");
        for driver in self.drivers() {
            driver.end(&error);
        }
    }
}

fn wake(watchers: Vec<Waker>) {
    for waker in watchers {
        waker.wake();
    }
}

impl Wake for Farewell {
    fn wake(self: Arc<Self>) {
        let Some(hosting) = self.hosting.upgrade() else { return };
        let mut state = hosting.lock();
        let gone = state.drivers.try_remove(self.place);
        let watchers = std::mem::take(&mut state.watchers);
        drop(state);
        if let Some(driver) = gone {
            report_breach(&driver);
        }
        wake(watchers);
    }
}

/// Says why, if the peer has broken a rule: nobody else is left who would be told.
fn report_breach(driver: &Driver) {
    if let Some(error) = driver.session().over(Waker::noop())
        && error.code() == Code::PeerGone(Gone::Poisoned)
    {
        let (url, why) = (driver.url(), error.to_string());
        let why = why.strip_prefix(url).map_or(&*why, |why| why.trim_start_matches(": "));
        let by = driver.peer().pid.map_or(String::new(), |pid| format!(" with process {pid}"));
        driver.host().report(&format!("{url}: a connection{by} has ended: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;
    use std::io::Write;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use farcall_core::testkit::Watchdog;
    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    /// Passes on what is reported in this process.
    struct Listening(Mutex<Sender<String>>);

    impl Subscriber for Listening {
        fn enabled(&self, about: &Metadata<'_>) -> bool {
            about.target() == "farcall"
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut text = Text::default();
            event.record(&mut text);
            let _ = self.0.lock().unwrap().send(text.0);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[derive(Default)]
    struct Text(String);

    impl Visit for Text {
        fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
            self.0 = format!("{value:?}");
        }
    }

    #[test]
    fn a_breach_is_reported_once_with_its_reason() {
        let _dog = Watchdog::new(Duration::from_secs(30));
        let (tell, told) = channel();
        tracing::subscriber::set_global_default(Listening(Mutex::new(tell))).unwrap();
        let name = format!("farcall-breach-{}", std::process::id());
        let server = crate::Server::new().listen(format!("unix:@{name}")).wait().unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let connect = || UnixStream::connect_addr(&address).unwrap();
        // Whoever leaves in peace is none of it.
        drop(connect());
        // A ping where a hello must come.
        let ping = [&b"\xFARCALL\n\x01"[..], &16_u32.to_le_bytes(), &[11], &[0; 15]].concat();
        let mut peer = connect();
        peer.write_all(&ping).unwrap();
        let ours = |text: &String| text.contains(&name);
        let text = told.iter().find(ours).unwrap();
        assert!(
            text.contains(&format!("process {}", std::process::id())) && text.contains("hello"),
            "{text}"
        );
        server.shutdown(Duration::ZERO).wait().unwrap();
        assert_eq!(told.try_iter().filter(ours).count(), 0, "once");
    }
}
