//! The calls to be served: waiting to be dispatched, running, no longer wanted.

use std::collections::VecDeque;

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

/// Ended calls that may lie between running ones.
const SPARE: usize = 64;

#[derive(Debug)]
struct CallIn {
    id: u64,
    deadline: Time,
    stage: Stage,
}

#[derive(Debug, Default)]
pub(super) struct CallsIn {
    calls: Slab<CallIn>,
    /// Where each call lies, in the order of the numbers. Calls that have ended stay until they come to the front or are
    /// more than half.
    by_id: VecDeque<(u64, u32)>,
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

    #[inline(always)]
    pub(super) fn add(&mut self, id: u64, deadline: Time) -> InKey {
        let place = self.calls.insert(CallIn { id, deadline, stage: Stage::Waiting });
        let place = u32::try_from(place).expect("calls are bounded by the window");
        self.by_id.push_back((id, place));
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        InKey { place, id }
    }

    pub(super) fn key(&self, id: u64) -> Option<InKey> {
        let at = self.by_id.binary_search_by_key(&id, |(known, _)| *known).ok()?;
        let key = InKey { place: self.by_id.get(at)?.1, id };
        self.stage(key).map(|_| key)
    }

    #[inline]
    pub(super) fn stage(&self, key: InKey) -> Option<Stage> {
        self.calls.get(key.place as usize).filter(|call| call.id == key.id).map(|call| call.stage)
    }

    pub(super) fn set_stage(&mut self, key: InKey, stage: Stage) {
        if let Some(call) = self.calls.get_mut(key.place as usize).filter(|call| call.id == key.id) {
            call.stage = stage;
        }
    }

    /// Takes the call out for its verdict.
    #[inline(always)]
    pub(super) fn remove(&mut self, key: InKey) -> Option<Stage> {
        let stage = self.stage(key)?;
        self.calls.remove(key.place as usize);
        self.forget_ended();
        Some(stage)
    }

    fn forget_ended(&mut self) {
        let calls = &self.calls;
        let stands = |(id, place): &(u64, u32)| calls.get(*place as usize).is_some_and(|call| call.id == *id);
        while self.by_id.front().is_some_and(|front| !stands(front)) {
            self.by_id.pop_front();
        }
        if self.by_id.len() > calls.len().saturating_mul(2).saturating_add(SPARE) {
            self.by_id.retain(stands);
        }
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
