//! Two threads at full speed, for tools that watch real threads: plain copies on the heap, so that a race shows.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use farcall_core::testkit::{Chance, Watchdog};

use super::super::memory::Memory;
use super::super::{Ends, Layout, Popped, Pushed};
use super::pair;

/// Frames each way; `FARCALL_STRESS_FRAMES` asks for more.
fn frames() -> u64 {
    let asked = std::env::var("FARCALL_STRESS_FRAMES").ok();
    let short = if cfg!(miri) { 24 } else { 20_000 };
    asked.map_or(short, |text| text.parse().expect("a number of frames"))
}

/// What a sleeper sleeps on.
#[derive(Default)]
struct Bell(Mutex<bool>, Condvar);

impl Bell {
    fn ring(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }

    fn wait(&self) {
        let mut is_rung = self.0.lock().unwrap();
        while !*is_rung {
            is_rung = self.1.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

/// Sends and takes the same random frames at once, and sleeps when neither can go on.
fn exchange<M: Memory + Clone>(mut ends: Ends<M>, own: &Bell, others: &Bell, seed: u64) {
    let (mut to, mut from) = (Chance::new(seed), Chance::new(seed ^ 1));
    let draw = |chance: &mut Chance| {
        let size = if chance.hits(1, 16) { chance.below(600) } else { chance.below(60) };
        // The interpreter cannot model a word that was written by an atomic store and then in part by a copy.
        let size = if cfg!(miri) { size / 4 * 4 } else { size };
        vec![chance.number() as u8; size]
    };
    let (mut sent, mut taken, mut frame) = (0, 0, Vec::new());
    let mut next = draw(&mut to);
    while sent < frames() || taken < frames() {
        let mut is_new = false;
        while sent < frames() && ends.producer.push(&next, &[]).unwrap() == Pushed::Taken {
            (sent, is_new) = (sent + 1, true);
            next = draw(&mut to);
        }
        let mut is_idle = !is_new;
        while ends.consumer.pop(&mut frame).unwrap() == Popped::Frame {
            assert_eq!(frame, draw(&mut from), "frame {taken}");
            (taken, is_idle) = (taken + 1, false);
        }
        if ends.must_ring(is_new) {
            others.ring();
        }
        if is_idle && (sent < frames() || taken < frames()) {
            ends.rest.announce();
            let is_blocked = sent == frames() || !ends.producer.has_room(next.len()).unwrap();
            if !ends.consumer.is_ready() && is_blocked {
                own.wait();
            }
            ends.rest.awake();
        }
    }
    ends.producer.close();
    if ends.must_ring(true) {
        others.ring();
    }
    assert_eq!(ends.producer.pushed(), frames());
}

#[test]
fn two_threads_exchange_frames_and_sleep() {
    let _watchdog = Watchdog::new(Duration::from_secs(600));
    let (here, there) = pair(Layout::tiny(16, 600));
    let bells = Arc::new((Bell::default(), Bell::default()));
    std::thread::scope(|threads| {
        threads.spawn(|| exchange(here, &bells.0, &bells.1, 2));
        threads.spawn(|| exchange(there, &bells.1, &bells.0, 3));
    });
}
