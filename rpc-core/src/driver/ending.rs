//! How a connection ends: why, what is said to the peer, and who is told.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::driver::turn::{Stopped, Turn};
use crate::driver::{Driver, Receive, parts_of};
use crate::error::{Code, Error, Fate, Gone};
use crate::proto::Handed;
use crate::session::{Chores, Rare};
use crate::transport::{Link, LinkFault, Sent};

impl Driver {
    /// Ends the session of a peer that has closed, once what it has left behind has been dispatched, or cannot be.
    pub(super) fn part(self: &Arc<Self>, may_dispatch: bool) {
        let mut turn = self.take_turn();
        let waits = !may_dispatch && self.session.has_dispatchable() && self.attendants.wake();
        let mut chores = Chores::default();
        if !waits && let Some(error) = turn.closed.take() {
            self.lose(&mut turn, &error, &mut chores);
        }
        drop(turn);
        chores.run();
    }

    /// The end of a turn that has met something rare.
    #[cold]
    pub(super) fn conclude(
        &self,
        turn: &mut Turn,
        stopped: Stopped,
        sent: Result<(), Error>,
        rare: Rare,
        chores: &mut Chores,
    ) {
        self.session.put_back(chores);
        let end = match (stopped, sent) {
            (Stopped::Ended(error), _) => Some(error),
            (_, Err(error)) => {
                // What the peer had answered before its end of the link broke still counts. A link that was never made has
                // an end too, but that says less than why.
                match self.receive(turn, Receive::ToTheEnd, self.time(), 0, chores) {
                    Stopped::Ended(first) if matches!(error.code(), Code::PeerGone(_)) => Some(first),
                    _ => Some(error),
                }
            }
            _ => rare.end,
        };
        match end {
            // The peer has closed in order, and what it has left behind is still to be done.
            Some(error) if turn.leaves && self.session.has_dispatchable() => turn.closed = Some(error),
            Some(error) => self.lose(turn, &error, chores),
            None => {}
        }
        if rare.ready
            && let Some(link) = &turn.link
        {
            // With the hello has come what the kernel knows of the peer.
            turn.post = None;
            let processors = self.host.processors(link.peer().pid);
            // Of what is not known the best is assumed until the waits show otherwise.
            if processors.is_none() {
                self.doubt.begin();
            }
            self.room.store(processors.unwrap_or(2).saturating_sub(1), Ordering::Relaxed);
            *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = link.peer();
        }
    }

    /// Tells the peer which rule it broke, in one attempt, and says so. Not if frames wait for the link: none may
    /// overtake another, or the link's count of accepted ones would name the wrong ones.
    pub(super) fn accuse(&self, link: &mut dyn Link, waiting: bool, rule: &str) -> Error {
        let error = Error::new(Code::ProtocolViolation, Fate::Unknown, rule);
        self.session.close(&error);
        while !waiting && let Some(frame) = self.session.transmit(self.host.now()) {
            let sent = link.send(parts_of(&frame));
            if !matches!(sent, Ok(Sent::Taken)) {
                break;
            }
        }
        let _ = link.flush();
        Error::new(
            Code::PeerGone(Gone::Poisoned),
            Fate::Unknown,
            format!("the peer broke the protocol: {rule}"),
        )
    }

    /// The link is gone, for this reason: everyone who waits is to be told.
    pub(super) fn lose(&self, turn: &mut Turn, error: &Error, chores: &mut Chores) {
        let accepted = turn.link.as_ref().map_or(0, |link| link.accepted());
        let taken = turn.link.as_mut().and_then(|link| link.taken());
        self.session.lose(error, Handed { accepted, taken }, chores);
        turn.link = None;
        turn.post = None;
        turn.frames.clear();
        turn.blocked = false;
        self.rouse();
    }

    pub(super) fn fault(&self, fault: LinkFault) -> Error {
        let text = format!("{}: {fault}", self.url);
        match fault {
            LinkFault::Io(error) => {
                let code = match error.kind() {
                    ErrorKind::ConnectionRefused | ErrorKind::NotFound | ErrorKind::HostUnreachable => {
                        Code::Unavailable
                    }
                    ErrorKind::PermissionDenied => Code::PermissionDenied,
                    ErrorKind::OutOfMemory => Code::ResourceExhausted,
                    _ => Code::PeerGone(Gone::Reset),
                };
                Error::new(code, Fate::Unknown, text).with_source(error)
            }
            LinkFault::NotFarcall { .. } => Error::new(Code::ProtocolViolation, Fate::Unknown, text),
            LinkFault::Forked => Error::new(Code::Forked, Fate::Unknown, text),
            LinkFault::Exited(_) => Error::new(Code::PeerGone(Gone::Exited), Fate::Unknown, text),
            _ => Error::new(Code::PeerGone(Gone::Poisoned), Fate::Unknown, text),
        }
    }
}
