//! A wire from outside that cannot carry everything: refused before the first call, with method and wire named.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use farcall::testkit::Watchdog;
use farcall::transport::{
    Capabilities, Link, LinkFault, Listener, OutFrame, Peer, Query, Readiness, Received, Scheme, Sent, Url,
    links, register,
};
use farcall::{Client, Code, Error, Fate};

#[farcall::service]
trait Desk {
    fn ring(&self, times: u8) -> bool;
    fn write(&self, letter: String) -> u32;
}

struct Empty;

impl Desk for Empty {
    fn ring(&self, times: u8) -> bool {
        times > 0
    }

    fn write(&self, letter: String) -> u32 {
        letter.len().try_into().unwrap_or(u32::MAX)
    }
}

#[farcall::service]
trait Bell {
    fn ring(&self, times: u8, place: (i32, Option<i32>)) -> Result<bool, u8>;
}

struct Brass;

impl Bell for Brass {
    fn ring(&self, times: u8, _place: (i32, Option<i32>)) -> Result<bool, u8> {
        Ok(times > 0)
    }
}

/// `mem:` with something missing.
struct Lacking {
    name: &'static str,
    has: fn(&mut Capabilities),
    /// Whether its listeners say so, or only its links.
    listener_knows: bool,
}

impl Lacking {
    fn mem(url: &Url) -> Result<Url, Error> {
        Url::parse(&format!("mem:lacking-{}", url.name()?))
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        (self.has)(&mut capabilities);
        capabilities
    }
}

impl Scheme for Lacking {
    fn name(&self) -> &'static str {
        self.name
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let inner = links::connect(&Self::mem(url)?, query)?;
        Ok(Box::new(Poor { inner, has: self.capabilities() }))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let inner = links::listen(&Self::mem(url)?, query)?;
        let has = if self.listener_knows { self.capabilities() } else { Capabilities::default() };
        Ok(Box::new(Door { inner, url: url.to_string(), has }))
    }
}

struct Door {
    inner: Box<dyn Listener>,
    url: String,
    has: Capabilities,
}

impl Listener for Door {
    fn accept(&mut self) -> std::io::Result<Box<dyn Link>> {
        self.inner.accept()
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    fn local_url(&self) -> String {
        self.url.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.has
    }
}

struct Poor {
    inner: Box<dyn Link>,
    has: Capabilities,
}

impl Link for Poor {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.inner.send(frame)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        self.inner.flush()
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        self.inner.receive()
    }

    fn accepted(&self) -> u64 {
        self.inner.accepted()
    }

    fn arm(&mut self) -> bool {
        self.inner.arm()
    }

    fn disarm(&mut self) {
        self.inner.disarm();
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }

    fn capabilities(&self) -> Capabilities {
        self.has
    }

    fn peer(&self) -> Peer {
        self.inner.peer()
    }
}

static WIRES: LazyLock<()> = LazyLock::new(|| {
    let wires = [
        Lacking { name: "bottle", has: |has| has.reply_path = false, listener_knows: true },
        Lacking { name: "bottle-unsaid", has: |has| has.reply_path = false, listener_knows: false },
        Lacking { name: "postcard", has: |has| has.max_frame = 1_024, listener_knows: true },
        Lacking { name: "postcard-unsaid", has: |has| has.max_frame = 1_024, listener_knows: false },
    ];
    for wire in wires {
        register(Arc::new(wire)).expect("the name is free");
    }
});

fn begin() -> Watchdog {
    LazyLock::force(&WIRES);
    Watchdog::new(Duration::from_secs(60))
}

#[track_caller]
fn refuses(error: &Error, says: &str) {
    assert_eq!((error.code(), error.fate()), (Code::Unsupported, Fate::NotSent), "{error}");
    assert_eq!(error.to_string(), says);
}

#[test]
fn a_service_is_not_served_on_a_wire_without_a_way_back() {
    let _watchdog = begin();
    let error = farcall::serve("bottle:sea", DeskServer::new(Empty)).wait().unwrap_err();
    let says = "bottle:sea: Desk.ring needs a way back for its result, which bottle: does not have; \
                use another wire for it, such as unix:";
    refuses(&error, says);
}

#[test]
fn a_client_is_not_connected_on_a_wire_without_a_way_back() {
    let _watchdog = begin();
    let server = farcall::serve("bottle-unsaid:beach", DeskServer::new(Empty)).wait().unwrap();
    let error = farcall::connect::<DeskClient>(server.url()).wait().unwrap_err();
    let says = "bottle-unsaid:beach: Desk.ring needs a way back for its result, which bottle-unsaid: does not have; \
                use another wire for it, such as unix:";
    refuses(&error, says);
}

#[test]
fn a_method_without_a_bound_needs_a_wire_without_one() {
    let _watchdog = begin();
    let says = |url: &str, scheme: &str| {
        format!(
            "{url}: Desk.write needs frames for arguments that may take more than 768 bytes, which {scheme}: does \
             not have; use another wire for it, such as unix:"
        )
    };
    let served = farcall::serve("postcard:hill", DeskServer::new(Empty)).wait().unwrap_err();
    refuses(&served, &says("postcard:hill", "postcard"));
    let server = farcall::serve("postcard-unsaid:dale", DeskServer::new(Empty)).wait().unwrap();
    let connected = farcall::connect::<DeskClient>(server.url()).wait().unwrap_err();
    refuses(&connected, &says("postcard-unsaid:dale", "postcard-unsaid"));
}

#[test]
fn a_method_of_small_values_fits_on_a_small_wire() {
    let _watchdog = begin();
    let server = farcall::serve("postcard:town", BellServer::new(Brass)).wait().unwrap();
    let bell: BellClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(bell.ring(1, (2, None)).wait(), Ok(true));
    assert!(bell.connection().open::<DeskClient>().is_err());
}
