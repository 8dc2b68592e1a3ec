//! The calls to be served: waiting to be dispatched, running, no longer wanted.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use slab::Slab;

use crate::time::Time;

/// A call's place in the table of calls to be served, with its number: a late key finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InKey {
    place: u32,
    id: u64,
}

impl InKey {
    /// The call's number in the caller's numbering.
    pub fn id(self) -> u64 {
        self.id
    }
}

/// How far a call to be served has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not yet dispatched.
    Waiting,
    /// Its handler has begun.
    Running,
    /// Its handler runs and its caller has cancelled it.
    Cancelled,
    /// Its handler runs and its deadline has passed.
    Expired,
}

#[derive(Debug)]
struct CallIn {
    id: u64,
    deadline: Time,
    stage: Stage,
}

#[derive(Debug, Default)]
pub(super) struct CallsIn {
    calls: Slab<CallIn>,
    by_id: HashMap<u64, u32, BuildHasherDefault<NumberHasher>>,
    last: u64,
    earliest: Option<Time>,
}

impl CallsIn {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The highest number that the peer has used.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn earliest(&self) -> Option<Time> {
        self.earliest
    }

    /// Notes a number as used; `false`: numbers must grow.
    pub(super) fn number(&mut self, id: u64) -> bool {
        let grows = id > self.last;
        self.last = self.last.max(id);
        grows
    }

    pub(super) fn add(&mut self, id: u64, deadline: Time) -> InKey {
        let place = self.calls.insert(CallIn { id, deadline, stage: Stage::Waiting });
        let place = u32::try_from(place).expect("calls are bounded by the window");
        self.by_id.insert(id, place);
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        InKey { place, id }
    }

    pub(super) fn key(&self, id: u64) -> Option<InKey> {
        self.by_id.get(&id).map(|place| InKey { place: *place, id })
    }

    pub(super) fn stage(&self, key: InKey) -> Option<Stage> {
        self.calls.get(key.place as usize).filter(|call| call.id == key.id).map(|call| call.stage)
    }

    pub(super) fn set_stage(&mut self, key: InKey, stage: Stage) {
        if let Some(call) = self.calls.get_mut(key.place as usize).filter(|call| call.id == key.id) {
            call.stage = stage;
        }
    }

    /// Takes the call out for its verdict.
    pub(super) fn remove(&mut self, key: InKey) -> Option<Stage> {
        let stage = self.stage(key)?;
        self.calls.remove(key.place as usize);
        self.by_id.remove(&key.id);
        Some(stage)
    }

    /// Calls whose deadline has passed and who do not know it yet; finds the next deadline.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(InKey, Stage)> {
        let mut expired = Vec::new();
        self.earliest = None;
        for (place, call) in &self.calls {
            if !matches!(call.stage, Stage::Waiting | Stage::Running) {
                continue;
            }
            if call.deadline <= now {
                let place = u32::try_from(place).expect("as it was given");
                expired.push((InKey { place, id: call.id }, call.stage));
            } else {
                self.earliest =
                    Some(self.earliest.map_or(call.deadline, |earliest| earliest.min(call.deadline)));
            }
        }
        expired
    }

    /// Every call, with its stage.
    pub(super) fn all(&self) -> Vec<(InKey, Stage)> {
        let key = |(place, call): (usize, &CallIn)| {
            let place = u32::try_from(place).expect("as it was given");
            (InKey { place, id: call.id }, call.stage)
        };
        self.calls.iter().map(key).collect()
    }
}

/// Call numbers as hashes: at most a window of them, so collisions cost little even if they are made on purpose.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(29);
    }
}
