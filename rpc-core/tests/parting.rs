//! The last turn of a connection: what was said before its end still leaves, and what the peer left behind is done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::time::Duration;

use farcall_core::driver::{Dispatch, Driver, Home, InPlace, Parts, Receive, Waiting};
use farcall_core::proto::{Machine, Role};
use farcall_core::session::{Outcome, Request, Session};
use farcall_core::testkit::{Clockwork, Watchdog, config};
use farcall_core::transport::{
    Capabilities, Event, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent,
};
use farcall_core::wire::{Answer, Head, Hello, Kind, Open, Opened, Options, VERSION, encode_error};
use farcall_core::{Code, Error, Fate, Gone, Time};

/// A link that takes every frame, and whose first flush waits to be let go.
struct Slow {
    sent: Arc<AtomicU64>,
    flushing: Sender<()>,
    go: Option<Receiver<()>>,
}

impl Link for Slow {
    fn send(&mut self, _: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        Ok(Sent::Taken)
    }
    fn flush(&mut self) -> Result<Sent, LinkFault> {
        if let Some(go) = self.go.take() {
            self.flushing.send(()).expect("the test waits for it");
            go.recv().expect("the test lets it go");
        }
        Ok(Sent::Taken)
    }
    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        Ok(Received::WouldBlock)
    }
    fn accepted(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    fn peer(&self) -> Peer {
        Peer::on("slow")
    }
}

#[test]
fn a_goodbye_that_finds_the_turn_taken_leaves_before_the_end() {
    let _watchdog = Watchdog::new(Duration::from_secs(20));
    let sent = Arc::new(AtomicU64::new(0));
    let ((flushing, begun), (let_go, go)) = (channel(), channel());
    let driver = Driver::new(Parts {
        session: Session::new(Machine::new(config(Role::Accepting), Time::from_nanos(1))),
        link: Box::new(Slow { sent: Arc::clone(&sent), flushing, go: Some(go) }),
        host: Arc::new(Clockwork::default()),
        server: None,
        home: Home::Attendants,
        waiting: Waiting::Park,
        url: "slow:".into(),
    });
    let busy = Arc::clone(&driver);
    let other = std::thread::spawn(move || busy.turn(Receive::Yes, false));
    begun.recv().expect("the other thread is in a turn");
    let before = sent.load(Ordering::SeqCst);
    let over = Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, "the server has shut down");
    driver.session().close(&over);
    driver.flush(); // finds the turn taken and goes away
    let_go.send(()).expect("the other thread waits");
    driver.end(&over);
    other.join().expect("a turn does not panic");
    assert_eq!(sent.load(Ordering::SeqCst), before + 1, "the goodbye was sent");
}

/// What a peer has left in a link before it went away.
struct Left(VecDeque<Vec<u8>>, Vec<u8>);

impl Link for Left {
    fn send(&mut self, _: OutFrame<'_>) -> Result<Sent, LinkFault> {
        Ok(Sent::Taken)
    }
    fn flush(&mut self) -> Result<Sent, LinkFault> {
        Ok(Sent::Taken)
    }
    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        let Some(frame) = self.0.pop_front() else { return Ok(Received::WouldBlock) };
        self.1 = frame;
        Ok(Received::Frame(&self.1))
    }
    fn is_quiet(&self) -> Option<bool> {
        Some(self.0.is_empty())
    }
    fn accepted(&self) -> u64 {
        0
    }
    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    fn peer(&self) -> Peer {
        Peer::on("left")
    }
}

/// Counts the calls that it serves.
struct Counting(Arc<AtomicU64>);

impl Dispatch for Counting {
    fn open(&self, _: u32, _: Open) -> Opened {
        Opened { known: true, answers: vec![Answer::Served], text: String::new(), shapes: Vec::new() }
    }
    fn dispatch(&self, driver: &Arc<Driver>, request: Request, _: &mut InPlace) {
        self.0.fetch_add(1, Ordering::SeqCst);
        driver.session().finish(request.key, Outcome::Value(Vec::new()));
    }
    fn note_hold(&self, _: &Driver, _: u32, _: u16, _: Duration) {}
}

/// A detached call, a goodbye, and the end of the process, all seen at once.
#[test]
fn the_calls_of_a_peer_that_said_goodbye_and_died_are_made() {
    let frame = |head: Head, payload: &[u8]| [head.encode(Options::default()).as_slice(), payload].concat();
    let hello = Hello {
        versions: (VERSION, VERSION),
        role: Some(Role::Connecting),
        attended_always: true,
        max_message: 1024,
        window: 4,
        codec: "bincode".into(),
    };
    let bye = Error::new(Code::PeerGone(Gone::LocalClose), Fate::Unknown, "bye");
    let object = |kind, call| Head { object: 1, ..Head::new(kind, call) };
    let left = VecDeque::from([
        frame(Head::new(Kind::Hello, 0), &hello.encode()),
        frame(object(Kind::Open, 0), &Open::encode("Sim", [("call", 0)].into_iter())),
        frame(object(Kind::Call, 1), b""),
        frame(Head::new(Kind::Close, 0), &encode_error(&bye)),
    ]);
    let served = Arc::new(AtomicU64::new(0));
    let driver = Driver::new(Parts {
        session: Session::new(Machine::new(config(Role::Accepting), Time::from_nanos(1))),
        link: Box::new(Left(left, Vec::new())),
        host: Arc::new(Clockwork::default()),
        server: Some(Arc::new(Counting(Arc::clone(&served)))),
        home: Home::Attendants,
        waiting: Waiting::Park,
        url: "left:".into(),
    });
    let attendance = driver.attend(2, Waker::noop().clone());
    driver.peer_exited();
    assert!(attendance.pump().ended);
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

/// A link at which one may look for nothing is not looked at for ever: whoever never sleeps would never let go of it.
#[test]
fn a_connection_that_has_ended_is_lively_no_more() {
    let driver = Driver::new(Parts {
        session: Session::new(Machine::new(config(Role::Accepting), Time::from_nanos(1))),
        link: Box::new(Left(VecDeque::new(), Vec::new())),
        host: Arc::new(Clockwork::default()),
        server: None,
        home: Home::Attendants,
        waiting: Waiting::Spin,
        url: "left:".into(),
    });
    let attendance = driver.attend(2, Waker::noop().clone());
    assert!(attendance.is_lively());
    driver.end(&Error::new(Code::PeerGone(Gone::Poisoned), Fate::Unknown, "it broke a rule"));
    assert!(!attendance.is_lively());
}
