//! The world of a simulated pair: its time, its link, and what happens at random.

use std::time::Duration;

use super::end::{End, Ended, Start};
use super::oracle::{Answered, Journal, tag_of, tagged};
use super::script::FixedScript;
use super::setup::{Counts, Setup};
use crate::error::{Code, Error, Fate};
use crate::limits::MAX_FRAGMENT;
use crate::proto::{Config, InKey, Role, Stage, WhenFull};
use crate::session::Outcome;
use crate::testkit::{Chance, Cut, Limits, Wires};
use crate::time::Time;
use crate::transport::Framed;

pub(super) struct World<E> {
    pub(super) ends: [E; 2],
    pub(super) wires: Wires,
    pub(super) setup: Setup,
    pub(super) chance: Chance,
    pub(super) journal: Journal,
    now: Time,
    /// Dispatched and not finished, of each side.
    running: [Vec<(InKey, u64)>; 2],
    quiet_end: bool,
}

impl<E: End> World<E> {
    pub(super) fn of_setup(setup: Setup) -> Self {
        Self::new(setup, Chance::new(0))
    }

    pub(super) fn of_seed(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let setup = Setup {
            max_message: chance.pick(&[1_000, MAX_FRAGMENT + 1, 200_000, 600_000]),
            window: chance.pick(&[1, 2, 3, 8, 256]),
            when_full: if chance.hits(1, 8) { WhenFull::Fail } else { WhenFull::Wait },
            needs_ping: chance.hits(1, 4),
            attended: [chance.hits(1, 2), chance.hits(1, 2)],
            cut: chance.hits(1, 2).then(|| {
                let most = chance.pick(&[100, 1_000, 10_000, 300_000]);
                let cut = chance.pick(&[Cut::Clean, Cut::Reset]);
                (chance.below(2), chance.below(most), cut)
            }),
            chunk: usize::MAX,
        };
        Self::new(setup, chance)
    }

    fn new(setup: Setup, chance: Chance) -> Self {
        let wires = Wires::new();
        if let Some((way, bytes, cut)) = setup.cut {
            wires.cut_at(way, bytes, cut);
        }
        for way in 0..2 {
            wires.limit(way, Limits { chunk: setup.chunk, ..Limits::NONE });
        }
        let config = |side: usize| Config {
            role: if side == 0 { Role::Connecting } else { Role::Accepting },
            attended_always: setup.attended[side],
            max_message: setup.max_message,
            window: setup.window,
            when_full: setup.when_full,
            codec: "none".into(),
            needs_ping: setup.needs_ping,
        };
        let ends = [
            E::new(config(0), Framed::connecting(wires.stream(0))),
            E::new(config(1), Framed::accepted(wires.stream(1))),
        ];
        World {
            ends,
            wires,
            setup,
            chance,
            journal: Journal::default(),
            now: Time::default(),
            running: [Vec::new(), Vec::new()],
            quiet_end: false,
        }
    }

    /// A whole life at random.
    pub(super) fn live(mut self) -> Counts {
        if self.chance.hits(7, 8) {
            self.settle(|world| (0..2).any(|side| world.ends[side].next_request().is_some()));
        }
        for _ in 0..self.chance.pick(&[30, 120, 400]) {
            self.step();
            if self.ends.iter().all(|end| end.over().is_some()) {
                break;
            }
        }
        self.quiet_end = self.chance.hits(1, 2);
        self.end()
    }

    /// A script, and then the end.
    pub(super) fn play(mut self, script: &FixedScript) -> Counts {
        self.settle(|_| false);
        for (side, size, _) in &script.calls {
            self.call(*side, *size, Time::NEVER);
        }
        let results: Vec<usize> = script.calls.iter().map(|(_, _, result)| *result).collect();
        self.settle(|world| {
            let mut served = false;
            for side in 0..2 {
                while let Some(asked) = world.ends[side].next_request() {
                    let tag = tag_of(&asked.body);
                    world.journal.dispatched(tag, side);
                    let size = results[usize::try_from(tag).expect("a tag of ours")];
                    world.reply(side, asked.key, tag, size, false);
                    served = true;
                }
            }
            served
        });
        self.quiet_end = true;
        self.end()
    }

    fn step(&mut self) {
        let side = self.chance.below(2);
        match self.chance.below(100) {
            0..40 => self.turn(side),
            40..56 => self.call_at_random(side),
            56..60 => self.cancel(side),
            60..61 => self.detach(side),
            61..78 => self.dispatch(side),
            78..87 => self.finish(side),
            87..92 => self.limit_at_random(),
            92..97 => self.now = self.now + Duration::from_micros(self.chance.below(3_000) as u64),
            97 => {
                let long = self.chance.pick(&[10, 100, 1_000, 1_000, 6_000, 21_000, 35_000]);
                self.now = self.now + Duration::from_millis(long);
            }
            98 if self.chance.hits(1, 10) => self.ends[side].drain(),
            99 if self.chance.hits(1, 10) => self.ends[side].close(),
            99 if self.chance.hits(1, 10) => self.wires.cut(self.chance.pick(&[Cut::Clean, Cut::Reset])),
            _ => self.turn(side),
        }
    }

    fn turn(&mut self, side: usize) {
        let alive = self.ends[side].over().is_none();
        self.ends[side].turn(self.now);
        let still = alive && self.ends[side].over().is_none();
        for (tag, ended) in self.ends[side].outcomes() {
            self.journal.ended(tag, ended, still);
        }
        assert!(self.ends[side].serving() <= self.setup.window as usize, "more calls than the window");
    }

    fn call_at_random(&mut self, side: usize) {
        let most = self.setup.max_message;
        let size = if self.chance.hits(9, 10) {
            self.chance.pick(&[8, 9, 50, 800])
        } else {
            self.chance.pick(&[
                20_000,
                MAX_FRAGMENT,
                MAX_FRAGMENT + 1,
                2 * MAX_FRAGMENT,
                most,
                most,
                most + 1,
            ])
        };
        let deadline = match self.chance.below(8) {
            0 => self.now,
            1 => self.now + Duration::from_micros(200),
            2 => self.now + Duration::from_millis(5),
            3 => self.now + Duration::from_secs(1),
            _ => Time::NEVER,
        };
        self.call(side, size, deadline);
    }

    fn call(&mut self, side: usize, size: usize, deadline: Time) {
        let tag = self.journal.begin(side);
        let cause = self.chance.hits(1, 10).then_some(tag);
        let start = Start { tag, body: tagged(tag, size), at: self.now, deadline, cause };
        if let Err(error) = self.ends[side].start(start) {
            self.journal.refused(tag, error);
        }
    }

    fn some_waiting(&mut self, side: usize) -> Option<u64> {
        let waiting = self.journal.waiting(side);
        (!waiting.is_empty()).then(|| waiting[self.chance.below(waiting.len())])
    }

    fn cancel(&mut self, side: usize) {
        if let Some(tag) = self.some_waiting(side) {
            let fate = self.ends[side].cancel(tag);
            self.journal.left(tag, fate);
        }
    }

    fn detach(&mut self, side: usize) {
        if let Some(tag) = self.some_waiting(side) {
            match self.ends[side].detach(tag) {
                Ok(()) => self.journal.detached(tag),
                Err(error) => self.journal.ended(tag, Ended::Error(error), true),
            }
        }
    }

    fn dispatch(&mut self, side: usize) {
        let Some(asked) = self.ends[side].next_request() else { return };
        let tag = tag_of(&asked.body);
        self.journal.dispatched(tag, side);
        self.running[side].push((asked.key, tag));
        if self.chance.hits(2, 3) {
            let last = self.running[side].len() - 1;
            self.finish_one(side, last);
        }
    }

    fn finish(&mut self, side: usize) {
        if !self.running[side].is_empty() {
            let at = self.chance.below(self.running[side].len());
            self.finish_one(side, at);
        }
    }

    fn finish_one(&mut self, side: usize, at: usize) {
        let (key, tag) = self.running[side].swap_remove(at);
        let unwanted = matches!(self.ends[side].stage(key), Some(Stage::Cancelled | Stage::Expired));
        if unwanted && self.chance.hits(3, 4) {
            self.journal.answered(tag, Answered::Stopped);
            return self.ends[side].finish(key, Outcome::Stopped);
        }
        match self.chance.below(20) {
            0 => self.refuse(side, key, tag, Code::UnknownMethod, Fate::NotExecuted),
            1 => self.refuse(side, key, tag, Code::HandlerPanicked, Fate::Started),
            2 => self.reply(side, key, tag, 20, true),
            3 => self.reply(side, key, tag, self.setup.max_message, false),
            4 => self.reply(side, key, tag, self.setup.max_message + 1, false),
            _ => self.reply(side, key, tag, 30, false),
        }
    }

    fn refuse(&mut self, side: usize, key: InKey, tag: u64, code: Code, fate: Fate) {
        self.journal.answered(tag, Answered::Refused(code));
        self.ends[side].finish(key, Outcome::Refused(Error::new(code, fate, "refused")));
    }

    fn reply(&mut self, side: usize, key: InKey, tag: u64, size: usize, failed: bool) {
        let body = tagged(tag, size);
        let fits = body.len() <= self.setup.max_message;
        self.journal.answered(
            tag,
            match (fits, failed) {
                (false, _) => Answered::TooLarge,
                (true, true) => Answered::Failed,
                (true, false) => Answered::Value,
            },
        );
        let outcome = match failed {
            _ if tag % 2 == 1 && body.len() > 20 => {
                let (front, bytes) = body.split_at(5);
                Outcome::Bytes { failed, front: front.to_vec(), bytes: bytes.to_vec() }
            }
            true => Outcome::Failed(body),
            false => Outcome::Value(body),
        };
        self.ends[side].finish(key, outcome);
    }

    fn limit_at_random(&mut self) {
        let way = self.chance.below(2);
        let amount = |chance: &mut Chance| {
            chance.pick(&[0, 3, 100, 5_000, 100_000, usize::MAX, usize::MAX, usize::MAX])
        };
        let limits = Limits {
            chunk: self.chance.pick(&[1, 2, 17, 1_000, 10_000, usize::MAX, usize::MAX, usize::MAX]),
            write_room: amount(&mut self.chance),
            read_room: amount(&mut self.chance),
            capacity: self.chance.pick(&[1, 100, 4_096, 200_000, usize::MAX, usize::MAX]),
        };
        self.wires.limit(way, limits);
    }

    /// Turns until nothing moves and `work` finds nothing to do.
    fn settle(&mut self, mut work: impl FnMut(&mut Self) -> bool) {
        let mut idle = 0;
        for _ in 0..1_000_000 {
            let before = self.wires.moved();
            self.turn(0);
            self.turn(1);
            let worked = work(self);
            let unsent = self.ends.iter().any(|end| end.over().is_none() && !end.is_flushed());
            // A short read may leave bytes for the turn after the next.
            idle = if worked || self.wires.moved() != before || unsent { 0 } else { idle + 1 };
            if idle == 3 {
                return;
            }
        }
        panic!("the pair never comes to rest");
    }

    fn end(mut self) -> Counts {
        if self.quiet_end {
            self.come_to_rest();
        }
        self.wires.cut(self.chance.pick(&[Cut::Clean, Cut::Reset]));
        for side in [0, 1, 0, 1] {
            self.turn(side);
        }
        for side in 0..2 {
            // A paused end reads no more; the end of the link is then found by whoever writes.
            while self.ends[side].over().is_none() {
                self.turn(side);
            }
            assert_eq!(self.ends[side].outstanding().unwrap_or(0), 0, "calls outstanding without a link");
            assert_eq!(
                self.journal.waiting(side),
                Vec::<u64>::new(),
                "callers wait although the link is gone"
            );
            for (key, tag) in std::mem::take(&mut self.running[side]) {
                let stage = self.ends[side].stage(key);
                assert!(!matches!(stage, Some(Stage::Waiting | Stage::Running)), "call {tag} runs on");
                self.ends[side].finish(key, Outcome::Stopped);
            }
            assert_eq!(self.ends[side].serving(), 0, "requests are left without a link");
        }
        self.journal.check(&[self.wires.tape(0), self.wires.tape(1)])
    }

    /// Lets everything move and finishes every handler.
    fn come_to_rest(&mut self) {
        for way in 0..2 {
            self.wires.limit(way, Limits { chunk: self.setup.chunk, ..Limits::NONE });
        }
        self.settle(|world| {
            let mut worked = false;
            for side in 0..2 {
                while let Some(asked) = world.ends[side].next_request() {
                    let tag = tag_of(&asked.body);
                    world.journal.dispatched(tag, side);
                    world.running[side].push((asked.key, tag));
                }
                while !world.running[side].is_empty() {
                    world.finish_one(side, 0);
                    worked = true;
                }
            }
            worked
        });
        for side in 0..2 {
            if self.ends[side].over().is_none() && self.ends[1 - side].over().is_none() {
                assert_eq!(self.ends[side].outstanding().unwrap_or(0), 0, "credit was lost");
                assert_eq!(self.ends[side].serving(), 0, "a verdict was lost");
                assert_eq!(self.journal.waiting(side), Vec::<u64>::new(), "a caller waits for ever");
            }
        }
    }
}
