//! Those who wait for verdicts: one slot for each call, from its start until its caller takes the result or leaves.

use std::task::Waker;

use slab::Slab;

use crate::error::{Code, Error, Fate};
use crate::limits::FLUSH_EVERY;
use crate::message::Message;
use crate::proto::{NewCall, OutKey, Outgoing};
use crate::session::Session;
use crate::time::Time;

/// How a call ended, its bytes not yet decoded.
#[derive(Debug)]
pub enum Settled {
    /// The handler returned this value.
    Value(Message),
    /// The handler returned the service's own error.
    Failed(Message),
    /// The call itself failed.
    Error(Error),
}

impl Settled {
    pub(super) fn cancelled(fate: Fate) -> Self {
        Settled::Error(Error::new(Code::Cancelled, fate, "the call was cancelled"))
    }
}

/// What the start of a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The call's slot.
    pub token: u32,
    /// Nothing else is outstanding: send at once.
    pub alone: bool,
    /// So many calls wait to be sent that they should not wait for more.
    pub many: bool,
    /// When it was started.
    pub at: Time,
    /// The call's deadline is earlier than what the attendants' timers are set to.
    pub sooner: bool,
}

#[derive(Debug)]
struct Waiter {
    key: OutKey,
    settled: Option<Settled>,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    slots: Slab<Waiter>,
}

impl Waiters {
    /// The waiter of a call that has its verdict; the slot is then free. Dropped by the caller without the lock.
    fn claim(&mut self, token: u32) -> Option<Waiter> {
        self.slots[token as usize].settled.as_ref()?;
        Some(self.slots.remove(token as usize))
    }

    pub(super) fn settle(&mut self, token: u32, settled: Settled) -> Option<Waker> {
        let waiter = self.slots.get_mut(token as usize)?;
        waiter.settled = Some(settled);
        waiter.waker.take()
    }

    /// Frees the slot of a call whose verdict is given to its caller now; the caller's waker is not needed any more.
    #[inline]
    pub(super) fn release(&mut self, token: u32) -> Option<Waker> {
        self.slots.try_remove(token as usize)?.waker
    }

    /// The waker of whoever waits, who leaves it again if it has come for nothing.
    pub(super) fn rouse(&mut self, token: u32) -> Option<Waker> {
        self.slots.get_mut(token as usize)?.waker.take()
    }

    /// The machine's key of a call that has no verdict.
    pub(super) fn key(&self, token: u32) -> Option<OutKey> {
        self.slots.get(token as usize).filter(|waiter| waiter.settled.is_none()).map(|waiter| waiter.key)
    }
}

/// When a call is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// With the next flush.
    WithOthers,
    /// Now, if nothing is in front of it.
    AtOnce,
    /// Now, if besides nothing else is outstanding; others are sent together.
    AtOnceIfAlone,
}

/// Who waits for a call that is started.
#[derive(Debug)]
pub struct Caller {
    /// Is woken with the verdict; it stays here if it is not wanted, to be dropped when nothing is locked.
    pub waker: Option<Waker>,
    /// The caller looks for the verdict itself if nothing else is outstanding, and need not be woken with it.
    pub looks: bool,
}

impl Session {
    /// Starts a call, which gets its token here, and its time by `clock`: its deadline counts from then. If it leaves now, as
    /// `departure` asks, its frame goes to `send`, which says whether it took it: while the session is locked, and before the
    /// call is noted, so that the peer begins meanwhile.
    ///
    /// # Errors
    /// As [`Machine::call`](crate::proto::Machine::call), or why the session has ended; `NotSent`. The arguments stay with
    /// the call.
    pub fn start(
        &self,
        call: &mut NewCall,
        caller: &mut Caller,
        departure: Departure,
        clock: impl FnOnce() -> Time,
        send: impl FnOnce(&mut Outgoing) -> bool,
    ) -> Result<Started, Error> {
        let mut inner = self.lock();
        if let Some(error) = &inner.ended {
            return Err(error.with_fate(Fate::NotSent));
        }
        let alone = inner.machine.outstanding() == 0;
        let at_once = match departure {
            Departure::WithOthers => false,
            Departure::AtOnce => true,
            Departure::AtOnceIfAlone => alone,
        };
        let entry = inner.waiters.slots.vacant_key();
        call.token = u32::try_from(entry).expect("calls are bounded far below 2^32");
        let mut has_left = false;
        let mut frame = Outgoing::EMPTY;
        if at_once && inner.machine.frame_at_once(call, &mut frame)? {
            has_left = send(&mut frame);
            if !has_left {
                call.body = frame.take_message();
            }
        }
        call.start_at(clock());
        let key = if has_left { inner.machine.note_called(call) } else { inner.machine.call(call)? };
        let waker = if alone && caller.looks { None } else { caller.waker.take() };
        inner.waiters.slots.insert(Waiter { key, settled: None, waker });
        let sooner = inner.armed.is_none_or(|armed| call.deadline < armed);
        let together = if has_left { inner.machine.outstanding() } else { inner.machine.queued() };
        let many = together.is_multiple_of(FLUSH_EVERY);
        Ok(Started { token: call.token, alone, many, at: call.at, sooner })
    }

    /// The verdict, if it is there; the slot is then free. Otherwise `waker` is woken with it.
    pub fn take(&self, token: u32, waker: &Waker) -> Option<Settled> {
        let known = {
            let mut inner = self.lock();
            if let Some(waiter) = inner.waiters.claim(token) {
                drop(inner);
                return waiter.settled;
            }
            let waiter = &inner.waiters.slots[token as usize];
            waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker))
        };
        if known {
            return None;
        }
        let waker = waker.clone();
        let mut inner = self.lock();
        if let Some(waiter) = inner.waiters.claim(token) {
            drop(inner);
            return waiter.settled;
        }
        let before = inner.waiters.slots[token as usize].waker.replace(waker);
        drop(inner);
        drop(before);
        None
    }

    /// The verdict, if it is there; the slot is then free.
    pub fn try_take(&self, token: u32) -> Option<Settled> {
        let mut inner = self.lock();
        let waiter = inner.waiters.claim(token)?;
        drop(inner);
        waiter.settled
    }

    /// The caller leaves and the call with it; `true`: the peer must be told.
    pub fn abandon(&self, token: u32) -> bool {
        let mut inner = self.lock();
        let waiter = inner.waiters.slots.remove(token as usize);
        let tell = waiter.settled.is_none() && inner.ended.is_none();
        if tell {
            inner.machine.cancel(waiter.key);
        }
        drop(inner);
        drop(waiter);
        tell
    }

    /// Whether calls wait for credit.
    pub fn is_short_of_credit(&self) -> bool {
        self.lock().machine.is_short_of_credit()
    }

    /// The caller leaves and the call goes on.
    ///
    /// # Errors
    /// `Overloaded`, `NotSent` if too many such calls wait for credit, or how the call has ended already.
    pub fn detach(&self, token: u32) -> Result<(), Error> {
        let mut inner = self.lock();
        let waiter = inner.waiters.slots.remove(token as usize);
        let result = match &waiter.settled {
            Some(Settled::Error(error)) => Err(error.clone()),
            Some(_) => Ok(()),
            None if inner.ended.is_some() => Ok(()),
            None => inner.machine.detach(waiter.key),
        };
        drop(inner);
        drop(waiter);
        result
    }

    /// The caller is about to [`detach`](Self::detach) the call, which is sent as one that nobody waits for.
    ///
    /// # Errors
    /// As [`detach`](Self::detach); the call is then removed.
    pub fn mark_detached(&self, token: u32) -> Result<(), Error> {
        let mut inner = self.lock();
        let key = inner.waiters.key(token).filter(|_| inner.ended.is_none());
        let Some(Err(error)) = key.map(|key| inner.machine.mark_detached(key)) else { return Ok(()) };
        let waiter = inner.waiters.slots.remove(token as usize);
        drop(inner);
        drop(waiter);
        Err(error)
    }

    /// Wakes everyone who waits for a verdict, so that each finds another attendant.
    pub fn wake_all(&self) -> Vec<Waker> {
        let mut inner = self.lock();
        inner.waiters.slots.iter_mut().filter_map(|(_, waiter)| waiter.waker.take()).collect()
    }
}
