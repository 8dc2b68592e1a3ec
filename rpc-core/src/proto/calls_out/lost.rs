//! What may be believed of the calls that were made on a link that is lost.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "keys and counts of this side's own calls: no integer of the wire takes part"
)]

use super::{CallOut, CallsOut, Phase};
use crate::error::Fate;

impl CallsOut {
    /// Takes out calls that will have no verdict, with what is known of them. `last`: the last number that the peer says it
    /// took.
    pub(in crate::proto) fn take_lost(
        &mut self,
        handed: Handed,
        last: u64,
        scope: Scope,
    ) -> Vec<(Option<u32>, Fate)> {
        let mut lost = Vec::new();
        if scope == Scope::All {
            self.cutting = None;
        }
        let doomed = |call: &CallOut| match (&call.phase, scope) {
            (Phase::Queued { .. }, _) => Some(Fate::NotSent),
            (Phase::Removed, _) | (Phase::Sending, Scope::Untaken) => None,
            (Phase::Sending, Scope::All) => Some(Fate::NotSent),
            (Phase::Sent { frame }, Scope::All) if *frame > handed.accepted => Some(Fate::NotSent),
            (Phase::Sent { frame }, Scope::All) if handed.taken.is_some_and(|taken| *frame > taken) => {
                Some(Fate::NotExecuted)
            }
            (Phase::Sent { .. }, _) if call.id > last => Some(Fate::NotExecuted),
            (Phase::Sent { .. }, Scope::All) => Some(Fate::Unknown),
            (Phase::Sent { .. }, Scope::Untaken) => None,
        };
        let keys: Vec<(usize, Fate)> =
            self.calls.iter().filter_map(|(key, call)| doomed(call).map(|fate| (key, fate))).collect();
        for (key, fate) in keys {
            let call = &mut self.calls[key];
            lost.push((call.token.take(), fate));
            if call.id == 0 {
                call.phase = Phase::Removed;
                self.queued -= 1;
                self.detached = 0;
            } else if scope == Scope::All {
                let id = call.id;
                self.forget(id);
            }
        }
        self.tidy();
        lost
    }
}

/// How far the frames came that were handed out on a link.
#[derive(Clone, Copy, Debug)]
pub struct Handed {
    /// So many have left whole.
    pub accepted: u64,
    /// So many have been taken by a peer that takes no more; `None`: nobody knows.
    pub taken: Option<u64>,
}

impl Handed {
    /// So many have left whole; what the peer took of them is not known.
    pub fn accepted(accepted: u64) -> Self {
        Handed { accepted, taken: None }
    }
}

/// Which calls are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Scope {
    /// Those that the peer will not take: queued ones and those after its last.
    Untaken,
    /// Every one.
    All,
}
