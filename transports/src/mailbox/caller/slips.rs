//! What comes back to a caller, and what it concludes where nothing does: verdicts, deaths, deadlines.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use farcall_core::transport::LinkFault;
use farcall_core::wire::mailbox::{Id, News, Outcome, Slip};
use farcall_core::wire::{Flags, Head, Kind};
use farcall_core::{Code, Fate, Gone, Time};

use super::{CallerLink, Out, Stage, Taker};
use crate::mailbox::bell::is_readable;
use crate::mailbox::ledger::calls_of;
use crate::mailbox::post::{Arrived, ENCLOSED, read_memory};

/// Time after its deadline for which a call that nobody waits for holds its place.
const GRACE: Duration = Duration::from_millis(200);

impl CallerLink {
    /// Reads the slips that have come; whether there were any.
    pub(super) fn read_slips(&mut self) -> Result<bool, LinkFault> {
        let mut buf = std::mem::take(&mut self.buf);
        let arrived = self.slips.receive(&mut buf);
        let has_come = match arrived {
            Ok(Some(Arrived { size, descriptors })) => {
                if let Some(Ok(slip)) = buf.get(..size).map(Slip::decode) {
                    self.hear_slip(slip, descriptors);
                }
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error.into()),
        };
        self.buf = buf;
        has_come
    }

    /// Slips of calls that have ended are none.
    pub(super) fn hear_slip(&mut self, slip: Slip<'_>, enclosed: [Option<OwnedFd>; ENCLOSED]) {
        let [first, second] = enclosed;
        match slip.news {
            News::Taken => {
                if let Some(process) = first
                    && self.bell.add(&process).is_ok()
                {
                    self.takers.insert(slip.taker, Taker { process, ledger: second });
                }
                if let Some(out) = self.calls.get_mut(&slip.call) {
                    out.stage = Stage::Taken(slip.taker);
                }
            }
            News::Verdict { kind, failed, result } => {
                if self.calls.remove(&slip.call).is_none() {
                    return;
                }
                self.has_all = self.calls.is_empty();
                let size = match result {
                    Outcome::Here(payload) => payload.len() as u64,
                    Outcome::Memory(size) => size,
                };
                if size > self.max_message as u64 && kind == Kind::Reply {
                    let most = self.max_message;
                    let why =
                        format!("the result takes {size} bytes, the limit is {most}; raise ?max_message=");
                    return self.refuse(slip.call, Code::TooLarge, Fate::Completed, &why);
                }
                let flags = if failed { Flags::FAILED } else { Flags::NONE };
                let head = Head { flags, ..Head::new(kind, slip.call) };
                match result {
                    Outcome::Here(payload) => self.tell(head, payload),
                    Outcome::Memory(size) => {
                        let memory = first.ok_or(std::io::ErrorKind::NotFound.into());
                        match memory.and_then(|fd| read_memory(fd.as_fd(), size, self.max_message)) {
                            Ok(payload) => self.tell(head, &payload),
                            Err(error) => {
                                let why = format!("the result's {size} bytes cannot be read: {error}");
                                self.refuse(slip.call, Code::ResourceExhausted, Fate::Completed, &why);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&mut self, now: Time) {
        if now < self.due {
            return;
        }
        let is_over = |out: &Out| match out.stage {
            Stage::Waiting => out.until <= now,
            Stage::Put | Stage::Taken(_) => out.until + GRACE <= now,
        };
        let over: Vec<(u64, Stage)> =
            self.calls.iter().filter(|(_, out)| is_over(out)).map(|(call, out)| (*call, out.stage)).collect();
        for (call, stage) in over {
            if stage == Stage::Waiting {
                self.waiting.retain(|_, waiting| waiting.call != call);
                let why = "the mailbox was full until just before the deadline";
                self.refuse(call, Code::DeadlineExceeded, Fate::NotSent, why);
            } else {
                self.refuse(
                    call,
                    Code::DeadlineExceeded,
                    Fate::Unknown,
                    "no verdict came until the deadline",
                );
            }
        }
        let due = |out: &Out| if out.stage == Stage::Waiting { out.until } else { out.until + GRACE };
        self.due = self.calls.values().map(due).min().unwrap_or(Time::NEVER);
    }

    /// Ends the calls whose takers are dead. What they sent before is read first.
    pub(super) fn bury(&mut self) -> Result<(), LinkFault> {
        self.is_suspicious = false;
        let dead: Vec<Id> = self
            .takers
            .iter()
            .filter(|(_, taker)| is_readable(taker.process.as_fd()))
            .map(|(id, _)| *id)
            .collect();
        if dead.is_empty() {
            return Ok(());
        }
        while self.read_slips()? {}
        for id in dead {
            let Some(taker) = self.takers.remove(&id) else { continue };
            self.bell.forget(&taker.process);
            let of_taker = |(call, out): (&u64, &Out)| (out.stage == Stage::Taken(id)).then_some(*call);
            let told: Vec<u64> = self.calls.iter().filter_map(of_taker).collect();
            let noted = taker.ledger.map_or(Vec::new(), |ledger| calls_of(&self.id, ledger));
            for call in told.into_iter().chain(noted) {
                // A line stays when its verdict has left.
                if !self.calls.contains_key(&call) {
                    continue;
                }
                let why = "the server that had taken the call is dead";
                self.refuse(call, Code::PeerGone(Gone::Exited), Fate::Unknown, why);
            }
        }
        Ok(())
    }
}
