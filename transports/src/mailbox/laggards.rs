//! Slips that found no room at their callers: kept for a while, each caller's in order, behind a socket of its own.
//!
//! Unread datagrams are charged to the socket that sent them, so that one for all would let a caller who does not read stop
//! the slips of the others.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::Time;
use farcall_core::wire::mailbox::Id;

use super::ledger::{Ledger, Line};
use super::post::{Posted, Sender};
use crate::wait::now;

/// Bytes of slips that wait, with something for each.
const MOST: usize = 4 * 1024 * 1024;

/// Slips that wait.
const MOST_SLIPS: usize = 4096;

/// Time after which it is tried again.
const AGAIN: Duration = Duration::from_millis(1);

/// A slip on its way.
pub(super) struct Outgoing {
    pub(super) slip: Vec<u8>,
    pub(super) enclosed: Vec<Arc<OwnedFd>>,
    /// Where its call is noted until it has left.
    pub(super) line: Option<Line>,
    /// Nobody waits for it after this.
    pub(super) until: Time,
}

struct Laggard {
    /// `None`: no descriptor was free; the common one is used.
    sender: Option<Sender>,
    slips: VecDeque<Outgoing>,
}

/// See the module.
pub(super) struct Outbox {
    sender: Sender,
    /// Where calls are noted whose verdicts have not left.
    pub(super) ledger: Option<Ledger>,
    laggards: HashMap<Id, Laggard>,
    slips: usize,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(sender: Sender) -> Self {
        Outbox { sender, ledger: Ledger::new(), laggards: HashMap::new(), slips: 0, bytes: 0 }
    }

    /// Sends a slip, or keeps it behind those that wait for the same caller. `false`: there is no such caller.
    pub(super) fn post(&mut self, to: &Id, mut out: Outgoing) -> bool {
        if self.laggards.is_empty() || !self.laggards.contains_key(to) {
            let posted = self.sender.post(to, &out.slip, &out.enclosed);
            if posted != Posted::Full {
                release(&mut self.ledger, &mut out);
                return posted == Posted::Sent;
            }
        }
        if self.slips < MOST_SLIPS && self.bytes + out.slip.len() <= MOST {
            self.slips += 1;
            self.bytes += out.slip.len();
            let fresh = || Laggard { sender: Sender::open().ok(), slips: VecDeque::new() };
            self.laggards.entry(*to).or_insert_with(fresh).slips.push_back(out);
        } else {
            release(&mut self.ledger, &mut out);
        }
        true
    }

    /// Tries again what waits; gives up what nobody waits for any more.
    pub(super) fn retry(&mut self) {
        if self.laggards.is_empty() {
            return;
        }
        let now = now();
        let Outbox { sender, ledger, laggards, slips, bytes } = self;
        laggards.retain(|to, laggard| {
            let from = laggard.sender.as_mut().unwrap_or(sender);
            let mut is_gone = false;
            while let Some(out) = laggard.slips.front() {
                let posted = if is_gone || out.until <= now {
                    Posted::Gone
                } else {
                    from.post(to, &out.slip, &out.enclosed)
                };
                if posted == Posted::Full {
                    break;
                }
                is_gone |= posted == Posted::Gone && out.until > now;
                *slips -= 1;
                *bytes -= out.slip.len();
                if let Some(mut out) = laggard.slips.pop_front() {
                    release(ledger, &mut out);
                }
            }
            !laggard.slips.is_empty()
        });
    }

    /// When [`retry`](Self::retry) is due.
    pub(super) fn due(&self) -> Time {
        if self.laggards.is_empty() { Time::NEVER } else { now() + AGAIN }
    }
}

fn release(ledger: &mut Option<Ledger>, out: &mut Outgoing) {
    if let (Some(ledger), Some(line)) = (ledger, out.line.take()) {
        ledger.release(line);
    }
}
