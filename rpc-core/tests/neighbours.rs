//! A lone caller: who has its verdict leaves the link to an attendant that its own thread polls before it sleeps, called once,
//! by nobody else, and only where nobody else sleeps; and a waker that is not wanted is dropped when nothing is locked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use farcall_core::Time;
use farcall_core::driver::{Attendance, Driver, Home, Looked, Parts, Receive, Waiting};
use farcall_core::proto::{Machine, NewCall, Role};
use farcall_core::session::{Chores, Departure, Outcome, Session, Settled};
use farcall_core::testkit::{Clockwork, Watchdog, config};
use farcall_core::transport::{
    Capabilities, Event, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent,
};
use farcall_core::wire::{Answer, Opened};

const NOW: Time = Time::from_nanos(1);

#[derive(Default)]
struct Ways {
    there: VecDeque<Vec<u8>>,
    back: VecDeque<Vec<u8>>,
}

/// Both ways of a link at which one may look for nothing, and whether it is armed.
#[derive(Clone, Default)]
struct Wire {
    ways: Arc<Mutex<Ways>>,
    armed: Arc<AtomicBool>,
    current: Vec<u8>,
}

impl Link for Wire {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.ways.lock().unwrap().there.push_back([frame.head, frame.body].concat());
        Ok(Sent::Taken)
    }
    fn flush(&mut self) -> Result<Sent, LinkFault> {
        Ok(Sent::Taken)
    }
    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        let Some(frame) = self.ways.lock().unwrap().back.pop_front() else {
            return Ok(Received::WouldBlock);
        };
        self.current = frame;
        Ok(Received::Frame(&self.current))
    }
    fn is_quiet(&self) -> Option<bool> {
        Some(self.ways.lock().unwrap().back.is_empty())
    }
    fn accepted(&self) -> u64 {
        0
    }
    fn readiness(&self) -> Readiness {
        Readiness::Event(Arc::new(Event::new()))
    }
    fn arm(&mut self) -> bool {
        self.armed.store(true, Ordering::SeqCst);
        self.is_quiet() == Some(true)
    }
    fn disarm(&mut self) {
        self.armed.store(false, Ordering::SeqCst);
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    fn peer(&self) -> Peer {
        Peer::on("wire")
    }
}

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A client whose server answers when it is told to, and the attendants of the client that were called.
struct Scene {
    wire: Wire,
    client: Arc<Driver>,
    server: Session,
    calls: Arc<Calls>,
}

impl Scene {
    fn new() -> Self {
        let session = |role| Session::new(Machine::new(config(role), NOW));
        let wire = Wire::default();
        let client = Driver::new(Parts {
            session: session(Role::Connecting),
            link: Box::new(wire.clone()),
            host: Arc::new(Clockwork::default()),
            server: None,
            home: Home::Anyone,
            waiting: Waiting::Spin,
            url: "wire:".into(),
        });
        let scene = Scene { wire, client, server: session(Role::Accepting), calls: Arc::default() };
        scene.client.session().open("Sim", [("call", 0)].into_iter()).expect("one service");
        scene.exchange();
        let opened =
            Opened { known: true, answers: vec![Answer::Served], text: String::new(), shapes: Vec::new() };
        scene.server.answer_open(1, &opened);
        scene.exchange();
        // The first call lets others have their turn, and there are none.
        scene.call(true);
        scene
    }

    /// What the client has sent is received and answered.
    fn exchange(&self) {
        self.client.turn(Receive::Yes, false);
        self.answer();
        self.client.turn(Receive::Yes, false);
    }

    fn answer(&self) {
        let mut ways = self.wire.ways.lock().unwrap();
        for frame in std::mem::take(&mut ways.there) {
            let received = self.server.receive(&frame, NOW, &mut Chores::default());
            received.map_err(|broken| broken.0).expect("nobody breaks a rule");
        }
        let mut next = self.server.begin_dispatch();
        while let Some(request) = next {
            self.server.finish(request.key, Outcome::Value(request.body));
            next = self.server.next_request();
        }
        while let Some(frame) = self.server.transmit(NOW) {
            ways.back.push_back([frame.head.as_slice(), frame.body()].concat());
        }
    }

    fn start(&self, waker: Option<Waker>) -> u32 {
        let mut call = NewCall {
            token: 0,
            object: 1,
            method: 0,
            body: vec![7],
            at: NOW,
            deadline: NOW + Duration::from_secs(1),
            cause: None,
            priority: 0,
        };
        let started = self.client.start(&mut call, waker, Departure::AtOnce, true, || NOW);
        started.expect("it can be started").token
    }

    /// A call whose caller finds the answer, at once or after others have had their turn.
    fn call(&self, lets_others: bool) {
        let token = self.start(None);
        let mut patience = self.client.patience(true);
        if let Some(patience) = patience.as_mut().filter(|_| lets_others) {
            self.client.look_soon(patience, Waker::noop());
        }
        self.answer();
        match self.client.look_for(token, Waker::noop(), &mut patience) {
            Looked::Settled(Settled::Value(message)) => assert_eq!(message.into_buffer(), [7]),
            other => panic!("{other:?}"),
        }
    }

    fn attend(&self, place: u64) -> Attendance {
        self.client.attend(place, Waker::from(Arc::clone(&self.calls)))
    }

    /// An attendant on this thread, which has stood there.
    fn neighbour(&self) -> Attendance {
        let attendance = self.attend(2).beside_tasks();
        attendance.stand();
        attendance
    }

    /// Whether the link is armed, and how often attendants were called.
    fn seen(&self) -> (bool, usize) {
        (self.wire.armed.load(Ordering::SeqCst), self.calls.0.load(Ordering::SeqCst))
    }

    /// The same after a call.
    fn seen_after_a_call(&self) -> (bool, usize) {
        self.call(false);
        self.seen()
    }
}

#[test]
fn an_attendant_on_the_callers_thread_is_called_once_until_it_stands() {
    let scene = Scene::new();
    let attendance = scene.attend(2).beside_tasks();
    assert_eq!(scene.seen_after_a_call(), (true, 0), "it has never stood: nobody knows where it is");
    attendance.stand();
    assert_eq!(scene.seen_after_a_call(), (false, 1));
    assert_eq!(scene.seen_after_a_call(), (false, 1), "it is on its way");
    attendance.stand();
    assert_eq!(scene.seen(), (true, 1));
    assert_eq!(scene.seen_after_a_call(), (false, 2));
}

#[test]
fn the_link_is_armed_for_whoever_else_sleeps_there() {
    let scene = Scene::new();
    let attendance = scene.neighbour();
    let other = scene.attend(4);
    other.stand();
    attendance.stand();
    assert_eq!(scene.seen_after_a_call(), (true, 0), "another attends as well");
    drop(other);
    assert_eq!(scene.seen_after_a_call(), (true, 0), "it has not stood since the other has gone");
    attendance.stand();
    assert_eq!(scene.seen_after_a_call(), (false, 1));
}

#[test]
fn a_call_of_another_thread_arms_the_link_itself() {
    let scene = Scene::new();
    let _attendance = scene.neighbour();
    thread::scope(|scope| scope.spawn(|| scene.call(false)).join().expect("it is answered"));
    assert_eq!(scene.seen(), (true, 0));
}

#[test]
fn an_attendant_of_a_runtime_with_many_threads_is_not_called() {
    let scene = Scene::new();
    let attendance = scene.attend(2);
    attendance.stand();
    assert_eq!(scene.seen_after_a_call(), (true, 0));
}

/// A waker's data, the last of which goes with it: it looks at the connection.
struct Parting(Arc<Driver>);

impl Wake for Parting {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Parting {
    fn drop(&mut self) {
        assert_eq!(self.0.session().outstanding(), 1);
        assert!(self.0.wants().read, "the turn is free");
    }
}

#[test]
fn a_waker_that_is_not_wanted_is_dropped_when_nothing_is_locked() {
    let _dog = Watchdog::new(Duration::from_secs(10));
    let scene = Scene::new();
    let waker = Waker::from(Arc::new(Parting(Arc::clone(&scene.client))));
    let token = scene.start(Some(waker));
    scene.answer();
    let mut patience = scene.client.patience(true);
    let looked = scene.client.look_for(token, Waker::noop(), &mut patience);
    assert!(matches!(looked, Looked::Settled(Settled::Value(_))), "{looked:?}");
}
