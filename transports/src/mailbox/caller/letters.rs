//! What a caller puts into the mailbox: letters, and what becomes of those for which there is no room.

use std::cmp::Reverse;
use std::time::Duration;

use farcall_core::limits::{MAX_DEADLINE, MAX_PRIORITY};
use farcall_core::wire::mailbox::{Arguments, Letter, NOBODY};
use farcall_core::wire::{Head, Kind, Options};
use farcall_core::{Code, Fate};
use rustix::io::Errno;

use super::{CallerLink, Out, Stage};
use crate::mailbox::bell::since_boot;
use crate::mailbox::drawer::Kept;
use crate::mailbox::random_id;
use crate::wait::now;

/// A letter that is put so soon before its deadline would be taken for nothing. Whoever waits on a busy machine is told
/// within this time that it was not put.
const LAST_MOMENT: Duration = Duration::from_millis(50);

/// A letter on its way.
pub(super) struct Waiting {
    pub(super) call: u64,
    priority: u8,
    letter: Vec<u8>,
    pub(super) kept: Option<Kept>,
}

impl CallerLink {
    /// Writes the letter of a call, and puts it if there is room.
    pub(super) fn post(&mut self, head: Head, options: Options, arguments: &[u8]) {
        let left = options.deadline.unwrap_or(MAX_DEADLINE);
        let left_nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let deadline = since_boot().saturating_add(left_nanos);
        let until = now() + left.saturating_sub(LAST_MOMENT.min(left / 10));
        self.calls.insert(head.call, Out { until, stage: Stage::Waiting, detached: options.detached });
        self.due = self.due.min(until);
        let (letter, kept) = match self.write(head, options.detached, deadline, arguments) {
            Ok(written) => written,
            Err((code, why)) => return self.refuse(head.call, code, Fate::NotSent, &why),
        };
        let priority = options.priority.min(MAX_PRIORITY);
        let mut waiting = Waiting { call: head.call, priority, letter, kept };
        if self.waiting.is_empty() && self.put_one(&mut waiting) {
            return;
        }
        if self.fails_when_full {
            let depth = self.depth;
            let why = format!("the mailbox is full: {depth} calls wait in it");
            return self.refuse(head.call, Code::Overloaded, Fate::NotSent, &why);
        }
        self.letters += 1;
        self.waiting.insert((Reverse(priority), self.letters), waiting);
        self.put();
    }

    fn write(
        &self,
        head: Head,
        detached: bool,
        deadline: u64,
        arguments: &[u8],
    ) -> Result<(Vec<u8>, Option<Kept>), (Code, String)> {
        let service = (head.object as usize).checked_sub(1).and_then(|at| self.services.get(at));
        let method = service.and_then(|service| service.methods.get(usize::from(head.method)));
        let (Some(service), Some(method)) = (service, method) else {
            return Err((Code::UnknownMethod, "the call is of a method that was not opened".to_owned()));
        };
        let mut letter = Letter {
            reply_to: if detached { NOBODY } else { self.id },
            call: head.call,
            deadline,
            fingerprint: method.fingerprint,
            codec: &self.codec,
            service: &service.service,
            method: &method.name,
            arguments: Arguments::Here(arguments),
        };
        let bytes = if arguments.len() < self.letter { letter.encode() } else { Vec::new() };
        if !bytes.is_empty() && bytes.len() <= self.letter {
            return Ok((bytes, None));
        }
        let exhausted = |error: std::io::Error| {
            let size = arguments.len();
            (
                Code::ResourceExhausted,
                format!("the {size} bytes of arguments cannot be kept in a file: {error}"),
            )
        };
        let id = random_id().map_err(|error| (error.code(), error.to_string()))?;
        let kept = self.drawer.keep(deadline, id, arguments).map_err(exhausted)?;
        letter.arguments = Arguments::File(kept.id, arguments.len() as u64);
        Ok((letter.encode(), Some(kept)))
    }

    /// Puts letters as long as there is room.
    pub(super) fn put(&mut self) {
        while let Some((place, mut first)) = self.waiting.pop_first() {
            if !self.put_one(&mut first) {
                self.waiting.insert(place, first);
                break;
            }
        }
    }

    /// `false`: there is no room.
    fn put_one(&mut self, waiting: &mut Waiting) -> bool {
        match self.queue.send(&waiting.letter, waiting.priority.into()) {
            Ok(()) => {
                if let Some(kept) = &mut waiting.kept {
                    kept.put();
                }
                self.note_put(waiting.call);
            }
            Err(Errno::AGAIN) => return false,
            Err(error) => {
                let why = format!("the letter cannot be put: {error}");
                self.refuse(waiting.call, Code::ResourceExhausted, Fate::NotSent, &why);
            }
        }
        true
    }

    fn note_put(&mut self, call: u64) {
        match self.calls.get_mut(&call) {
            Some(out) if out.detached => {
                self.calls.remove(&call);
                // Its credit comes back; nobody reads the value.
                self.tell(Head::new(Kind::Reply, call), &[]);
            }
            Some(out) => out.stage = Stage::Put,
            None => {}
        }
    }
}
