//! The calls made from here: waiting for credit, being sent, waiting for their verdict.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "keys and counts of this side's own calls: no integer of the wire takes part"
)]

use std::collections::VecDeque;

use slab::Slab;

use crate::buffers;
use crate::error::{Code, Error, Fate};
use crate::limits::DETACHED_QUEUE;
use crate::proto::outbox::{Body, Cutting, Fragment, Outgoing};
use crate::time::Time;
use crate::wire::{Head, Kind, Options};

mod lost;
mod new_call;

pub use lost::Handed;
pub(super) use lost::Scope;
pub use new_call::NewCall;

/// A call's place in the table of calls made from here; valid until its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutKey(u32);

#[derive(Debug)]
struct CallOut {
    /// The number on the wire; 0 until the first byte is handed out.
    id: u64,
    /// `None`: the caller has left.
    token: Option<u32>,
    /// The caller has left without cancelling it.
    detached: bool,
    /// When it is given up.
    latest: Time,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Queued {
        object: u32,
        method: u16,
        cause: Option<u64>,
        priority: u8,
        body: Vec<u8>,
        at: Time,
        until: Time,
    },
    /// Its fragments are being handed out by `cutting`.
    Sending,
    /// Its last frame was the n-th handed out on this link.
    Sent { frame: u64 },
    /// Given up while queued; the queue still names it.
    Removed,
}

/// What leaving a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It had not been sent and never will be.
    NotSent,
    /// It had begun to be sent: its rest must be announced as never coming, under this number.
    Abort(u64),
    /// It had been sent: the peer must be told, under this number.
    Cancel(u64),
}

impl Left {
    /// What the caller may believe.
    pub fn fate(self) -> Fate {
        match self {
            Left::NotSent | Left::Abort(_) => Fate::NotSent,
            Left::Cancel(_) => Fate::Unknown,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct CallsOut {
    fragment: Fragment,
    calls: Slab<CallOut>,
    queue: VecDeque<u32>,
    queued: usize,
    /// Calls without a verdict; the place in this table is the low half-word of the number.
    flight: Slab<u32>,
    sequence: u64,
    cutting: Option<(u32, Cutting)>,
    /// Bytes of queued calls whose callers have left without cancelling them.
    detached: usize,
    /// No call's deadline is earlier.
    earliest: Option<Time>,
}

/// Removed calls that the queue may name besides as many as wait in it.
const SLACK: usize = 64;

/// Bits of a call number that name the place in the table of flights.
const PLACE_BITS: u32 = 16;

impl CallsOut {
    /// Larger calls are cut into fragments of this size.
    pub(super) fn cut_at(&mut self, fragment: usize) {
        self.fragment = Fragment(fragment);
    }

    pub(super) fn fragment(&self) -> usize {
        self.fragment.0
    }

    /// Calls without a verdict.
    pub(super) fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Calls that wait for credit.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Calls in flight whose callers have left.
    pub(super) fn left_behind(&self) -> usize {
        let left = |(_, key): &(usize, &u32)| {
            self.calls.get(**key as usize).is_some_and(|call| call.token.is_none())
        };
        self.flight.iter().filter(left).count()
    }

    /// Whether something could be handed out, given credit.
    pub(super) fn wants_to_send(&self, window: u32) -> bool {
        self.cutting.is_some() || (self.queued > 0 && self.flight.len() < window as usize)
    }

    /// Places taken in the tables, by calls or by their remains.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.calls.len().max(self.queue.len())
    }

    pub(super) fn earliest(&self) -> Option<Time> {
        self.earliest
    }

    pub(super) fn add(&mut self, call: &mut NewCall) -> OutKey {
        let latest = call.latest();
        let body = std::mem::take(&mut call.body);
        let NewCall { token, object, method, at, deadline: until, cause, priority, .. } = *call;
        let phase = Phase::Queued { object, method, cause, priority, body, at, until };
        let key = self.calls.insert(CallOut { id: 0, token: Some(token), detached: false, latest, phase });
        let key = u32::try_from(key).expect("calls are bounded far below 2^32");
        self.queue.push_back(key);
        self.queued += 1;
        self.earliest = Some(self.earliest.map_or(latest, |earliest| earliest.min(latest)));
        OutKey(key)
    }

    /// Makes the only frame of the call that is to be the next in flight: its arguments go with it.
    #[inline(always)]
    pub(super) fn frame_of_next(&self, call: &mut NewCall, frame: &mut Outgoing) {
        let deadline = Some(call.left());
        let NewCall { object, method, cause, priority, .. } = *call;
        let head = Head { method, object, ..Head::new(Kind::Call, self.next_id()) };
        let options = Options { deadline, cause, priority, detached: false, refused: None };
        head.encode_into(options, &mut frame.head);
        frame.body = Body::Whole(std::mem::take(&mut call.body));
    }

    /// Adds the call whose [frame](Self::frame_of_next) has left.
    #[inline(always)]
    pub(super) fn add_sent(&mut self, call: &NewCall, frame: u64) -> OutKey {
        let latest = call.latest();
        let (id, phase) = (self.next_id(), Phase::Sent { frame });
        let key = self.calls.insert(CallOut { id, token: Some(call.token), detached: false, latest, phase });
        let key = u32::try_from(key).expect("calls are bounded far below 2^32");
        self.take_off(key);
        self.earliest = Some(self.earliest.map_or(latest, |earliest| earliest.min(latest)));
        OutKey(key)
    }

    /// The number of the next call in flight: its place in the table, and how many were before it.
    fn next_id(&self) -> u64 {
        ((self.sequence + 1) << PLACE_BITS) | self.flight.vacant_key() as u64
    }

    /// The call with this key is in flight from now on, under the next number.
    fn take_off(&mut self, key: u32) {
        self.sequence += 1;
        self.flight.insert(key);
    }

    /// Whether nothing is in front of a call that is added now, and there is credit for it.
    pub(super) fn is_clear(&self, window: u32) -> bool {
        self.queued == 0 && self.cutting.is_none() && self.flight.len() < window as usize
    }

    /// The next frame in start order, as long as there is credit. `frame` is its number on the link.
    pub(super) fn pop(&mut self, now: Time, window: u32, frame: u64) -> Option<Outgoing> {
        if self.cutting.is_some() {
            return self.pop_fragment(frame);
        }
        if self.flight.len() >= window as usize {
            return None;
        }
        loop {
            let key = self.queue.pop_front()?;
            let call = &mut self.calls[key as usize];
            match std::mem::replace(&mut call.phase, Phase::Sent { frame }) {
                Phase::Queued { object, method, cause, priority, body, at, until } => {
                    self.queued -= 1;
                    let detached = call.detached;
                    if detached {
                        self.detached -= weight(&body);
                    }
                    let id = self.next_id();
                    self.take_off(key);
                    let call = &mut self.calls[key as usize];
                    call.id = id;
                    let head = Head { method, object, ..Head::new(Kind::Call, call.id) };
                    let deadline = Some(until.since(now.max(at)));
                    let options = Options { deadline, cause, priority, detached, refused: None };
                    if body.len() <= self.fragment.0 {
                        return Some(Outgoing { head: head.encode(options), body: Body::Whole(body) });
                    }
                    call.phase = Phase::Sending;
                    self.cutting = Some((key, Cutting::new(head, options, body, self.fragment)));
                    return self.pop_fragment(frame);
                }
                _ => drop(self.calls.remove(key as usize)),
            }
        }
    }

    fn pop_fragment(&mut self, frame: u64) -> Option<Outgoing> {
        let (key, cutting) = self.cutting.as_mut()?;
        let fragment = cutting.next();
        if cutting.is_done() {
            self.calls[*key as usize].phase = Phase::Sent { frame };
            self.cutting = None;
        }
        Some(fragment)
    }

    pub(super) fn number(&self, key: OutKey) -> Option<u64> {
        self.calls.get(key.0 as usize).map(|call| call.id).filter(|id| *id != 0)
    }

    /// The caller leaves.
    pub(super) fn leave(&mut self, key: OutKey) -> Left {
        let call = &mut self.calls[key.0 as usize];
        call.token = None;
        let (id, detached) = (call.id, call.detached);
        match &mut call.phase {
            Phase::Queued { body, .. } => {
                let body = std::mem::take(body);
                if detached {
                    self.detached -= weight(&body);
                }
                buffers::give(body);
                call.phase = Phase::Removed;
                self.queued -= 1;
                self.tidy();
                Left::NotSent
            }
            Phase::Sending => {
                self.cutting = None;
                self.forget(id);
                Left::Abort(id)
            }
            Phase::Sent { .. } | Phase::Removed => Left::Cancel(id),
        }
    }

    /// Forgets removed calls once they are most of the queue: without credit nobody else does.
    fn tidy(&mut self) {
        if self.queue.len() > 2 * self.queued + SLACK {
            let calls = &mut self.calls;
            self.queue.retain(|key| {
                let stays =
                    calls.get(*key as usize).is_some_and(|call| !matches!(call.phase, Phase::Removed));
                if !stays {
                    calls.try_remove(*key as usize);
                }
                stays
            });
        }
    }

    /// The caller leaves, the call stays.
    pub(super) fn detach(&mut self, key: OutKey) -> Result<(), Error> {
        self.mark_detached(key)?;
        self.calls[key.0 as usize].token = None;
        Ok(())
    }

    /// The caller leaves as soon as it knows whether the call has gone.
    pub(super) fn mark_detached(&mut self, key: OutKey) -> Result<(), Error> {
        let call = &mut self.calls[key.0 as usize];
        if let Phase::Queued { body, .. } = &call.phase
            && !call.detached
        {
            let size = self.detached + weight(body);
            if size > DETACHED_QUEUE {
                self.leave(key);
                let text =
                    format!("{size} bytes of detached calls wait for credit, the limit is {DETACHED_QUEUE}");
                return Err(Error::new(Code::Overloaded, Fate::NotSent, text));
            }
            self.detached = size;
        }
        call.detached = true;
        Ok(())
    }

    /// Whether a call that nobody waits for has no verdict yet.
    pub(super) fn has_detached(&self) -> bool {
        self.calls.iter().any(|(_, call)| call.detached && !matches!(call.phase, Phase::Removed))
    }

    /// A verdict has come: the call's credit returns. `Some(None)`: its caller has left.
    #[inline]
    pub(super) fn settle(&mut self, id: u64) -> Option<Option<u32>> {
        self.find(id)?;
        self.forget(id).map(|call| call.token)
    }

    /// Whether a call of this number waits for a verdict.
    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<()> {
        let key = *self.flight.get(place(id))?;
        let call = self.calls.get(key as usize)?;
        (call.id == id && matches!(call.phase, Phase::Sent { .. })).then_some(())
    }

    /// Who is to be told of the call of this number.
    pub(super) fn token(&self, id: u64) -> Option<u32> {
        self.find(id)?;
        self.calls.get(*self.flight.get(place(id))? as usize)?.token
    }

    #[inline]
    fn forget(&mut self, id: u64) -> Option<CallOut> {
        let key = self.flight.try_remove(place(id))?;
        self.calls.try_remove(key as usize)
    }

    /// Calls whose deadline has passed, and the next deadline thereafter.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(OutKey, Option<u32>)> {
        let mut expired = Vec::new();
        self.earliest = None;
        for (key, call) in &self.calls {
            let waits = call.token.is_some() || matches!(call.phase, Phase::Queued { .. });
            if !waits || matches!(call.phase, Phase::Removed) {
                continue;
            }
            if call.latest <= now {
                expired.push((OutKey(u32::try_from(key).expect("as it was given")), call.token));
            } else {
                self.earliest = Some(self.earliest.map_or(call.latest, |earliest| earliest.min(call.latest)));
            }
        }
        expired
    }
}

/// What a queued call is charged: its bytes, and something for its place.
fn weight(body: &[u8]) -> usize {
    body.len() + 64
}

fn place(id: u64) -> usize {
    (id & ((1 << PLACE_BITS) - 1)) as usize
}
