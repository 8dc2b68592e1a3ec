//! Slips that found no room at their callers: kept for a while, each caller's in order, behind a socket of its own.
//!
//! Unread datagrams are charged to the socket that sent them, so that one for all would let a caller who does not read stop
//! the slips of the others.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use farcall_core::Time;
use farcall_core::wire::mailbox::Id;

use super::post::{Posted, Sender};
use crate::wait::now;

/// Bytes of slips that wait, with something for each.
const MOST: usize = 4 * 1024 * 1024;

/// Slips that wait.
const MOST_SLIPS: usize = 4096;

/// Time after which it is tried again, once nobody waits for that.
const AGAIN: Duration = Duration::from_millis(1);

/// The same while letters are left in the mailbox for it.
const AGAIN_SOON: Duration = Duration::from_micros(100);

/// How long letters are left in the mailbox for somebody who has not read what was said to him: what is not said when this
/// process dies, his calls learn from their deadlines only.
const PATIENCE: Duration = Duration::from_millis(50);

/// A slip on its way.
pub(super) struct Outgoing {
    pub(super) slip: Vec<u8>,
    pub(super) descriptor: Option<Arc<OwnedFd>>,
    /// Nobody waits for it after this.
    pub(super) until: Time,
}

struct Laggard {
    /// `None`: no descriptor was free; the common one is used.
    sender: Option<Sender>,
    slips: VecDeque<Outgoing>,
    /// Since when there are some.
    since: Time,
}

/// See the module.
pub(super) struct Outbox {
    sender: Sender,
    laggards: HashMap<Id, Laggard>,
    slips: usize,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(sender: Sender) -> Self {
        Outbox { sender, laggards: HashMap::new(), slips: 0, bytes: 0 }
    }

    /// Sends a slip, or keeps it behind those that wait for the same caller. `false`: there is no such caller.
    pub(super) fn post(&mut self, to: &Id, out: Outgoing) -> bool {
        if !self.laggards.contains_key(to) {
            let descriptor = out.descriptor.as_deref().map(AsFd::as_fd);
            match self.sender.post(to, &out.slip, descriptor) {
                Posted::Sent => return true,
                Posted::Gone => return false,
                Posted::Full => {}
            }
        }
        if self.slips < MOST_SLIPS && self.bytes + out.slip.len() <= MOST {
            self.slips += 1;
            self.bytes += out.slip.len();
            let fresh = || Laggard { sender: Sender::open().ok(), slips: VecDeque::new(), since: now() };
            self.laggards.entry(*to).or_insert_with(fresh).slips.push_back(out);
        }
        true
    }

    /// Tries again what waits; gives up what nobody waits for any more.
    pub(super) fn retry(&mut self, now: Time) {
        let Outbox { sender, laggards, slips, bytes } = self;
        laggards.retain(|to, laggard| {
            let from = laggard.sender.as_ref().unwrap_or(sender);
            let mut is_gone = false;
            while let Some(out) = laggard.slips.front() {
                let posted = if is_gone || out.until <= now {
                    Posted::Gone
                } else {
                    from.post(to, &out.slip, out.descriptor.as_deref().map(AsFd::as_fd))
                };
                if posted == Posted::Full {
                    break;
                }
                is_gone |= posted == Posted::Gone && out.until > now;
                *slips -= 1;
                *bytes -= out.slip.len();
                laggard.slips.pop_front();
            }
            !laggard.slips.is_empty()
        });
    }

    /// Whether slips wait for somebody who may be about to read: then no letters are taken, so that what has been taken is
    /// known.
    pub(super) fn is_behind(&self, now: Time) -> bool {
        self.laggards.values().any(|laggard| now.since(laggard.since) < PATIENCE)
    }

    /// When [`retry`](Self::retry) is due.
    pub(super) fn due(&self, now: Time) -> Time {
        match self.laggards.is_empty() {
            true => Time::NEVER,
            false if self.is_behind(now) => now + AGAIN_SOON,
            false => now + AGAIN,
        }
    }
}
