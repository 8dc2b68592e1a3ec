//! Credit against cancel, under a model checker: a call waits for the credit of one that is being cancelled, while its
//! verdict may be on the way. Every order of steps of two callers and a server is tried, up to two preemptions;
//! `FARCALL_LOOM_EXECUTIONS=n` asks for n executions with more of them.

use std::collections::VecDeque;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use farcall_core::proto::{Config, Event, InKey, Left, Machine, NewCall, OutKey, Role, Stage, Verdict};
use farcall_core::testkit::{Watchdog, config};
use farcall_core::wire::{Answer, Opened};
use farcall_core::{Fate, Time};
use loom::sync::Mutex;

const NOW: Time = Time::from_nanos(0);

/// The calls that the server takes without a verdict.
const WINDOW: u32 = 1;

/// The side that calls.
struct Caller {
    machine: Machine,
    /// Verdicts that came for calls that somebody waits for, by token.
    verdicts: Vec<u32>,
}

/// The side that serves.
struct Server {
    machine: Machine,
    waiting: VecDeque<InKey>,
    running: VecDeque<InKey>,
    begun: usize,
}

/// Two sides and the link between them, each behind its own lock.
struct World {
    caller: Mutex<Caller>,
    /// Held over a whole turn, so that frames stay in order.
    turn: Mutex<()>,
    server: Mutex<Server>,
    to_server: Mutex<VecDeque<Vec<u8>>>,
    to_caller: Mutex<VecDeque<Vec<u8>>>,
}

fn machine(role: Role) -> Machine {
    let config = Config { max_message: 1_000, window: WINDOW, ..config(role) };
    Machine::new(config, NOW)
}

fn frames(machine: &mut Machine) -> Vec<Vec<u8>> {
    let frames = std::iter::from_fn(|| machine.poll_transmit(NOW));
    frames.map(|frame| [frame.head.as_slice(), frame.body()].concat()).collect()
}

impl Caller {
    fn hear(&mut self, frame: &[u8]) {
        let Caller { machine, verdicts } = self;
        let mut absorb = |event: Event<'_>| {
            if let Event::Verdict { token, verdict } = event {
                assert!(matches!(verdict, Verdict::Value(_)), "{verdict:?}");
                assert!(!verdicts.contains(&token), "two verdicts");
                verdicts.push(token);
            }
        };
        if let Some(event) = machine.handle_frame(frame, NOW).expect("the server keeps the rules") {
            absorb(event);
        }
        while let Some(event) = machine.poll_event() {
            absorb(event);
        }
    }

    fn call(&mut self, token: u32) -> OutKey {
        let (body, deadline) = (vec![1], Time::NEVER);
        let mut call =
            NewCall { token, object: 1, method: 0, body, at: NOW, deadline, cause: None, priority: 0 };
        self.machine.call(&mut call).expect("it may wait for credit")
    }

    /// Gives a call up, unless its verdict has come.
    fn cancel(&mut self, token: u32, key: OutKey) -> Option<Left> {
        (!self.verdicts.contains(&token)).then(|| self.machine.cancel(key))
    }
}

impl Server {
    fn hear(&mut self, frame: &[u8]) {
        let heard = self.machine.handle_frame(frame, NOW).expect("the caller keeps the rules");
        match heard {
            Some(Event::Request { key, .. }) => self.waiting.push_back(key),
            Some(Event::Open { object, .. }) => {
                let opened = Opened {
                    known: true,
                    answers: vec![Answer::Served],
                    text: String::new(),
                    shapes: vec![],
                };
                self.machine.answer_open(object, &opened);
            }
            // A handler that is to stop looks at its stage when it goes on.
            Some(Event::Stop(_) | Event::Ready | Event::Opened) | None => {}
            Some(other) => panic!("{other:?}"),
        }
        while self.machine.poll_event().is_some() {}
    }

    /// Handlers that run go on to their ends; then those that wait begin.
    fn work(&mut self) {
        for key in std::mem::take(&mut self.running) {
            match self.machine.stage(key) {
                Some(Stage::Cancelled) => self.machine.stopped(key),
                _ => self.machine.reply(key, false, vec![2]),
            }
        }
        for key in std::mem::take(&mut self.waiting) {
            if self.machine.begin(key) {
                self.begun += 1;
                self.running.push_back(key);
            }
        }
        assert!(self.running.len() <= WINDOW as usize, "more calls run than there is credit for");
    }
}

impl World {
    /// Both sides know each other, and one call is on its way with the only credit.
    fn new() -> (Arc<World>, OutKey) {
        let mut caller = Caller { machine: machine(Role::Connecting), verdicts: Vec::new() };
        let mut server = Server {
            machine: machine(Role::Accepting),
            waiting: VecDeque::new(),
            running: VecDeque::new(),
            begun: 0,
        };
        caller.machine.open("S", [("m", 0)].into_iter()).expect("the first service");
        for _ in 0..3 {
            frames(&mut caller.machine).iter().for_each(|frame| server.hear(frame));
            frames(&mut server.machine).iter().for_each(|frame| caller.hear(frame));
        }
        let first = caller.call(1);
        let on_its_way = frames(&mut caller.machine).into();
        let world = World {
            caller: Mutex::new(caller),
            turn: Mutex::new(()),
            server: Mutex::new(server),
            to_server: Mutex::new(on_its_way),
            to_caller: Mutex::default(),
        };
        (Arc::new(world), first)
    }

    /// One turn of the callers' link; says whether anything moved.
    fn turn(&self) -> bool {
        let _turn = self.turn.lock().unwrap();
        let sent = frames(&mut self.caller.lock().unwrap().machine);
        let arrived = std::mem::take(&mut *self.to_caller.lock().unwrap());
        let moved = !sent.is_empty() || !arrived.is_empty();
        self.to_server.lock().unwrap().extend(sent);
        for frame in arrived {
            self.caller.lock().unwrap().hear(&frame);
        }
        moved
    }

    /// One turn of the server; says whether anything moved.
    fn serve(&self) -> bool {
        let arrived = std::mem::take(&mut *self.to_server.lock().unwrap());
        let mut server = self.server.lock().unwrap();
        arrived.iter().for_each(|frame| server.hear(frame));
        server.work();
        let sent = frames(&mut server.machine);
        let moved = !sent.is_empty() || !arrived.is_empty() || !server.running.is_empty();
        drop(server);
        self.to_caller.lock().unwrap().extend(sent);
        moved
    }
}

/// How many executions ended in which way.
#[derive(Default)]
struct Endings {
    all: AtomicU64,
    /// The first call had its verdict before it was given up.
    answered: AtomicU64,
    /// It was given up, and its handler had begun, or never did.
    begun: AtomicU64,
    withdrawn: AtomicU64,
}

fn story(endings: &Endings) {
    let (world, first) = World::new();
    let serves = loom::thread::spawn({
        let world = world.clone();
        move || {
            world.serve();
            world.serve();
        }
    });
    let cancels = loom::thread::spawn({
        let world = world.clone();
        move || {
            let left = world.caller.lock().unwrap().cancel(1, first);
            world.turn();
            left
        }
    });
    let second = world.caller.lock().unwrap().call(2);
    world.turn();
    serves.join().unwrap();
    let left = cancels.join().unwrap();
    for round in 0.. {
        assert!(round < 10, "the two sides find no end");
        let callers_moved = world.turn();
        if !world.serve() && !callers_moved {
            break;
        }
    }
    let caller = world.caller.lock().unwrap();
    let server = world.server.lock().unwrap();
    let first_verdicts = usize::from(left.is_none());
    assert_eq!(caller.verdicts.len(), 1 + first_verdicts, "one verdict for each call that was not given up");
    assert!(caller.verdicts.contains(&2), "the second call got its credit");
    assert_eq!(caller.machine.number(second), None, "it is settled");
    assert_eq!((caller.machine.outstanding(), server.machine.serving()), (0, 0), "all credit is back");
    endings.all.fetch_add(1, Relaxed);
    let ending = match (left.map(Left::fate), server.begun) {
        (None, 2) => &endings.answered,
        (Some(Fate::Unknown), 2) => &endings.begun,
        (Some(Fate::Unknown), 1) => &endings.withdrawn,
        other => panic!("no such ending: {other:?}"),
    };
    ending.fetch_add(1, Relaxed);
}

/// Goes through the executions; says how many there were.
fn explore(preemptions: usize, at_most: Option<usize>) -> u64 {
    let endings = Arc::new(Endings::default());
    let counted = endings.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_permutations = at_most;
    builder.check(move || story(&counted));
    let [all, answered, begun, withdrawn] =
        [&endings.all, &endings.answered, &endings.begun, &endings.withdrawn]
            .map(|count| count.load(Relaxed));
    println!(
        "credit against cancel: {all} executions, {preemptions} preemptions \
         ({answered} answered, {begun} given up while they ran, {withdrawn} before)"
    );
    assert!(answered > 0 && begun > 0, "all ways to cross are gone");
    all
}

#[test]
fn credit_comes_back_once_however_a_cancel_crosses_its_verdict() {
    let _watchdog = Watchdog::new(Duration::from_secs(3_600));
    assert!(explore(2, None) > 100);
    let Ok(asked) = std::env::var("FARCALL_LOOM_EXECUTIONS") else { return };
    let asked = asked.parse::<usize>().expect("a number of executions");
    let executions: u64 = (3..6).map(|preemptions| explore(preemptions, Some(asked))).sum();
    println!("{executions} executions");
}
