//! What every call did and was told, and whether the two agree.

use std::collections::BTreeSet;

use super::end::Ended;
use super::setup::Counts;
use crate::error::{Code, Error, Fate};
use crate::wire::{Flags, Kind, parse};

/// How its handler let a call end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Value,
    Failed,
    TooLarge,
    Refused(Code),
    Stopped,
}

#[derive(Debug)]
pub(super) struct Call {
    side: usize,
    /// Why it did not start.
    refused: Option<Error>,
    /// Its caller left; with which fate, if it was told.
    left: Option<Option<Fate>>,
    detached: bool,
    outcomes: Vec<(Ended, bool)>,
    dispatched: u32,
    answered: Option<Answered>,
}

/// All calls of a story; a call's tag is its place.
#[derive(Debug, Default)]
pub(super) struct Journal {
    calls: Vec<Call>,
    last_dispatched: [Option<u64>; 2],
}

/// The tag that a message begins with.
pub(super) fn tag_of(body: &[u8]) -> u64 {
    u64::from_le_bytes(*body.first_chunk().expect("every message begins with its tag"))
}

/// A message of this size that begins with this tag.
pub(super) fn tagged(tag: u64, size: usize) -> Vec<u8> {
    let mut body = vec![0x5A; size.max(8)];
    body[..8].copy_from_slice(&tag.to_le_bytes());
    body
}

impl Journal {
    pub(super) fn begin(&mut self, side: usize) -> u64 {
        let refused = None;
        let (left, detached, outcomes) = (None, false, Vec::new());
        self.calls.push(Call { side, refused, left, detached, outcomes, dispatched: 0, answered: None });
        self.calls.len() as u64 - 1
    }

    fn of(&mut self, tag: u64) -> &mut Call {
        &mut self.calls[usize::try_from(tag).expect("a tag of ours")]
    }

    pub(super) fn refused(&mut self, tag: u64, error: Error) {
        self.of(tag).refused = Some(error);
    }

    pub(super) fn left(&mut self, tag: u64, fate: Option<Fate>) {
        self.of(tag).left = Some(fate);
    }

    pub(super) fn detached(&mut self, tag: u64) {
        self.of(tag).detached = true;
    }

    /// `alive`: the link had not been lost when the caller was told.
    pub(super) fn ended(&mut self, tag: u64, ended: Ended, alive: bool) {
        if let Ended::Value(body) | Ended::Failed(body) = &ended {
            assert_eq!(tag_of(body), tag, "a reply to another call");
        }
        self.of(tag).outcomes.push((ended, alive));
    }

    pub(super) fn dispatched(&mut self, tag: u64, at: usize) {
        let call = self.of(tag);
        call.dispatched += 1;
        assert_eq!(call.dispatched, 1, "call {tag} was dispatched twice");
        assert_ne!(call.side, at, "call {tag} was dispatched by its own side");
        let before = self.last_dispatched[at].replace(tag);
        assert!(before < Some(tag), "call {tag} was dispatched after call {before:?}");
    }

    pub(super) fn answered(&mut self, tag: u64, answered: Answered) {
        self.of(tag).answered = Some(answered);
    }

    /// Calls of a side whose callers wait.
    pub(super) fn waiting(&self, side: usize) -> Vec<u64> {
        let waits = |call: &Call| {
            call.side == side
                && call.refused.is_none()
                && call.left.is_none()
                && !call.detached
                && call.outcomes.is_empty()
        };
        (0_u64..).zip(&self.calls).filter(|(_, call)| waits(call)).map(|(tag, _)| tag).collect()
    }

    /// Checks every call against what its peer did and what left on `tapes`.
    pub(super) fn check(&self, tapes: &[Vec<u8>; 2]) -> Counts {
        let whole = tapes.each_ref().map(|tape| whole_calls(tape));
        let mut counts = Counts { bytes: [tapes[0].len(), tapes[1].len()], ..Counts::default() };
        for (tag, call) in (0_u64..).zip(&self.calls) {
            let left_whole = whole[call.side].contains(&tag);
            call.check(left_whole)
                .unwrap_or_else(|rule| panic!("call {tag}: {rule}; {call:?}, left whole: {left_whole}"));
            counts.add(call.outcomes.first().map(|(ended, _)| ended), call.left.is_some());
        }
        counts
    }
}

impl Call {
    fn check(&self, left_whole: bool) -> Result<(), String> {
        let is = |holds: bool, rule: &str| if holds { Ok(()) } else { Err(rule.to_owned()) };
        is(self.dispatched == 0 || left_whole, "dispatched, and its bytes never left")?;
        if let Some(error) = &self.refused {
            is(error.fate() == Fate::NotSent, "refused at its start, and not NotSent")?;
            is(!left_whole && self.outcomes.is_empty(), "refused at its start, and something happened")?;
        } else if let Some(fate) = self.left {
            is(self.outcomes.is_empty(), "an outcome for a caller that has left")?;
            is(fate != Some(Fate::NotSent) || !left_whole, "left as NotSent, and sent")?;
        } else if !self.detached {
            is(self.outcomes.len() == 1, "not exactly one outcome")?;
        }
        match self.outcomes.first() {
            Some((Ended::Value(_), _)) => is(self.answered == Some(Answered::Value), "a value from nowhere"),
            Some((Ended::Failed(_), _)) => {
                is(self.answered == Some(Answered::Failed), "an error from nowhere")
            }
            Some((Ended::Error(error), alive)) => self.check_error(error, *alive, left_whole),
            None => Ok(()),
        }
    }

    fn check_error(&self, error: &Error, alive: bool, left_whole: bool) -> Result<(), String> {
        let true_fate = match error.fate() {
            Fate::NotSent => !left_whole,
            Fate::NotExecuted => self.dispatched == 0 || matches!(self.answered, Some(Answered::Refused(_))),
            Fate::Started => self.dispatched == 1,
            Fate::Completed => self.dispatched == 1 && self.answered == Some(Answered::TooLarge),
            Fate::Unknown => true,
        };
        if !true_fate {
            return Err(format!("{:?} is not true", error.fate()));
        }
        let lost = matches!(error.code(), Code::PeerGone(_));
        if lost && !left_whole && error.fate() != Fate::NotSent {
            return Err(format!("{:?}, and its last byte never left: NotSent could be proven", error.fate()));
        }
        if alive && error.fate() == Fate::Unknown && error.code() != Code::DeadlineExceeded {
            return Err("Unknown, and a verdict could have come".into());
        }
        let same_code = |code: Code| error.code() == code;
        match self.answered {
            Some(Answered::Refused(code))
                if alive && !same_code(Code::DeadlineExceeded) && !same_code(code) =>
            {
                Err(format!("refused as {code:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// The tags of the calls of which every byte is on a tape.
fn whole_calls(tape: &[u8]) -> BTreeSet<u64> {
    const PREFACE: usize = 8;
    let mut whole = BTreeSet::new();
    let mut rest = tape.get(PREFACE..).unwrap_or_default();
    let mut begun = None;
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        let Some((frame, after)) = after.split_at_checked(size) else { break };
        rest = after;
        let parsed = parse(frame).expect("own frames are well formed");
        if parsed.head.kind == Kind::Call {
            if !parsed.head.flags.has(Flags::CONTINUED) {
                begun = Some(tag_of(parsed.payload));
            }
            if !parsed.head.flags.has(Flags::MORE) {
                whole.extend(begun.take());
            }
        }
    }
    whole
}
