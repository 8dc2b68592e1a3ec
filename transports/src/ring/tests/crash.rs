//! Death at every store: what the survivor of a region finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::layout;
use super::super::memory::Memory;
use super::super::sites::{Fence, Load, Store};
use super::super::{Ends, Layout, Popped, Pushed, Side};
use super::KEYS;
use super::heap::Heap;

/// Memory of a side that dies after some stores: what it does from then on nobody sees.
#[derive(Clone)]
struct Mortal {
    memory: Arc<Heap>,
    left: Arc<AtomicU64>,
    /// Stores of the sites that let a frame be seen, and that count it as taken.
    published: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
}

impl Mortal {
    fn lives(&self) -> bool {
        let left = self.left.load(Relaxed);
        self.left.store(left.saturating_sub(1), Relaxed);
        left > 0
    }
}

impl Memory for Mortal {
    fn load(&self, at: usize, site: Load) -> u32 {
        self.memory.load(at, site)
    }

    fn store(&self, at: usize, value: u32, site: Store) {
        if self.lives() {
            self.memory.store(at, value, site);
            match site {
                Store::Stamp => self.published.fetch_add(1, Relaxed),
                Store::Taken => self.taken.fetch_add(1, Relaxed),
                _ => 0,
            };
        }
    }

    fn fence(&self, site: Fence) {
        self.memory.fence(site);
    }

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        for (index, word) in bytes.chunks(4).enumerate() {
            if self.lives() {
                self.memory.copy_in(at + 4 * index, word);
            }
        }
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        self.memory.copy_out(at, len, into);
    }
}

/// How a ring stands when the story begins.
#[derive(Clone, Copy, Debug)]
enum State {
    Empty,
    /// The next records lie over the end of the ring, of the words of the indices, or of both.
    Wrapping(u64),
    Full,
}

const STATES: [State; 5] = [
    State::Empty,
    State::Wrapping(LINES - 2),
    State::Wrapping((1 << 32) - 2),
    State::Wrapping((1 << 32) + 5 * LINES - 3),
    State::Full,
];

const LINES: u64 = 16;
const LONGEST: usize = 300;

fn frame(number: u64) -> Vec<u8> {
    vec![number as u8; 1 + (number as usize * 37) % LONGEST]
}

/// A side that dies after `stores`, its peer, and how many frames are in the ring already.
fn stage(state: State, dying: Side, stores: u64) -> (Ends<Mortal>, Ends<Mortal>, Mortal, u64) {
    let layout = Layout::tiny(LINES as usize, LONGEST);
    let memory = Arc::new(Heap::new(layout.size()));
    let start = if let State::Wrapping(start) = state { start } else { 0 };
    memory.store(layout::head_of(Side::Connector), start as u32, Store::Head);
    let view = |left| Mortal {
        memory: memory.clone(),
        left: Arc::new(AtomicU64::new(left)),
        published: Arc::default(),
        taken: Arc::default(),
    };
    let (mortal, immortal) = (view(u64::MAX), view(u64::MAX));
    let of = |side| if side == dying { mortal.clone() } else { immortal.clone() };
    let mut here = Ends::starting(of(Side::Listener), layout, Side::Listener, KEYS, start);
    let there = Ends::starting(of(Side::Connector), layout, Side::Connector, KEYS, start);
    let mut frames = 0;
    let fills = matches!(state, State::Full) || dying == Side::Connector;
    while fills && here.producer.push(&frame(frames), &[]) == Ok(Pushed::Taken) {
        frames += 1;
    }
    mortal.left.store(stores, Relaxed);
    mortal.published.store(0, Relaxed);
    (here, there, mortal, frames)
}

/// Takes what is there: whole frames, in order.
fn take(there: &mut Ends<Mortal>, next: &mut u64) -> Popped {
    let mut bytes = Vec::new();
    loop {
        match there.consumer.pop(&mut bytes).unwrap() {
            Popped::Frame => assert_eq!(bytes, frame(*next), "a torn frame"),
            other => return other,
        }
        *next += 1;
    }
}

#[test]
fn a_producer_may_die_at_every_store() {
    let mut points = 0;
    for state in STATES {
        for stores in 0.. {
            points += 1;
            let (mut here, mut there, mortal, before) = stage(state, Side::Listener, stores);
            let mut next = 0;
            let mut number = before;
            // As long as it lives; where there is no room, the peer takes.
            while mortal.left.load(Relaxed) > 0 && number < before + 8 {
                match here.producer.push(&frame(number), &[]).unwrap() {
                    Pushed::Taken => number += 1,
                    Pushed::Full => assert_eq!(take(&mut there, &mut next), Popped::Nothing),
                }
            }
            let is_alive = mortal.left.load(Relaxed) > 0;
            if is_alive {
                here.producer.close();
            }
            let end = take(&mut there, &mut next);
            let published = mortal.published.load(Relaxed);
            assert_eq!(next, before + published.min(8), "{state:?}, {stores} stores");
            assert_eq!(end == Popped::Closed, published == 9);
            assert!(!there.must_ring(true), "nobody sleeps");
            if is_alive && mortal.left.load(Relaxed) > 0 {
                break;
            }
        }
    }
    assert!(points > 1_000, "only {points} points");
}

#[test]
fn a_consumer_may_die_at_every_store() {
    let mut points = 0;
    for state in STATES {
        for stores in 0.. {
            points += 1;
            let (mut here, mut there, mortal, before) = stage(state, Side::Connector, stores);
            let mut next = 0;
            take(&mut there, &mut next);
            there.rest.announce();
            let is_alive = mortal.left.load(Relaxed) > 0;
            assert_eq!(here.producer.taken(), Ok(mortal.taken.load(Relaxed)), "{state:?}, {stores} stores");
            // Nobody takes any more: the survivor fills what was freed, and finds an end of it.
            let mut number = before;
            while here.producer.push(&frame(number), &[]) == Ok(Pushed::Taken) {
                number += 1;
                assert!(number < before + LINES, "more room than there is");
            }
            assert_eq!(here.producer.taken(), Ok(mortal.taken.load(Relaxed)));
            here.must_ring(true);
            here.producer.close();
            if is_alive {
                break;
            }
        }
    }
    assert!(points > 50, "only {points} points");
}
