//! Whether the peer is alive and gets on: handshake, pings, stalls, frames without progress.

use std::time::Duration;

use crate::error::{Code, Error, Fate, Gone};
use crate::limits::{
    FRAME_PROGRESS, HANDSHAKE, IDLE_FRAMES, IDLE_REFILL, PING_AFTER, PING_TIMEOUT, WRITE_STALL,
};
use crate::proto::Violation;
use crate::time::Time;

/// What the rules depend on besides time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// The wire cannot tell a death, calls are outstanding, and the peer always reads.
    pub(super) pings: bool,
    /// The peer is attended always, so that a full wire or an unfinished message means a stalled peer.
    pub(super) attended: bool,
}

/// What time asks for.
#[derive(Debug)]
pub(super) enum Due {
    Ping,
    Dead(Error),
}

#[derive(Debug)]
pub(super) struct Liveness {
    hello_by: Option<Time>,
    heard: Time,
    pinged: Option<Time>,
    /// When it was asked for a sign of life that it still owes.
    asked: Option<Time>,
    blocked_since: Option<Time>,
    partial_since: Option<Time>,
    /// When the last fragment of a message came whose rest is missing.
    gathering_since: Option<Time>,
    idle_frames: u32,
    idle_budget: u32,
    /// When the budget was last filled by time.
    refilled: Time,
}

impl Liveness {
    /// `window`: so many cancels may cross their verdicts.
    pub(super) fn new(now: Time, window: u32) -> Self {
        Liveness {
            hello_by: Some(now + HANDSHAKE),
            heard: now,
            pinged: None,
            asked: None,
            blocked_since: None,
            partial_since: None,
            gathering_since: None,
            idle_frames: 0,
            idle_budget: IDLE_FRAMES.saturating_add(window),
            refilled: now,
        }
    }

    pub(super) fn greeted(&mut self) {
        self.hello_by = None;
    }

    /// A frame has arrived.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard = now;
        self.pinged = None;
        self.partial_since = None;
    }

    /// A sign of life is asked for, unless one is owed since then.
    pub(super) fn asks(&mut self, now: Time) -> Option<Time> {
        let owed = self.asked;
        self.asked = owed.or(Some(now));
        owed
    }

    /// Whether this is the sign of life that was asked for.
    pub(super) fn is_answered(&mut self, token: u64) -> bool {
        let is_it = self.asked.is_some_and(|asked| asked.as_nanos() == token);
        if is_it {
            self.asked = None;
        }
        is_it
    }

    /// From now on an answer is expected; silence before does not count.
    pub(super) fn expects(&mut self, now: Time) {
        self.heard = now;
    }

    /// A frame that brought something: the budget for others is full again.
    pub(super) fn useful(&mut self) {
        self.idle_frames = 0;
    }

    /// A frame that brought nothing.
    pub(super) fn idle(&mut self) -> Result<(), Violation> {
        if self.heard.since(self.refilled) >= IDLE_REFILL {
            (self.idle_frames, self.refilled) = (0, self.heard);
        }
        self.idle_frames = self.idle_frames.saturating_add(1);
        if self.idle_frames > self.idle_budget {
            return Err(Violation(format!("more than {} frames without progress", self.idle_budget)));
        }
        Ok(())
    }

    /// The frame just heard was part of a message; whether the rest of one is missing. By when it must go on.
    pub(super) fn gathers(&mut self, missing: bool) -> Option<Time> {
        self.gathering_since = missing.then_some(self.heard);
        self.gathering_since.map(|since| since + FRAME_PROGRESS)
    }

    /// How the link stands after a turn.
    pub(super) fn note(&mut self, now: Time, blocked: bool, partial: bool) {
        let since = |before: Option<Time>, is: bool| if is { before.or(Some(now)) } else { None };
        self.blocked_since = since(self.blocked_since, blocked);
        self.partial_since = since(self.partial_since, partial);
    }

    /// Bytes have left: the peer takes them.
    pub(super) fn took(&mut self, now: Time) {
        self.blocked_since = self.blocked_since.map(|_| now);
    }

    /// When [`due`](Self::due) has to be asked.
    pub(super) fn next(&self, at: Circumstances) -> Option<Time> {
        let after = |since: Option<Time>, time: Duration| since.map(|since| since + time);
        let ping = match self.pinged {
            Some(pinged) => pinged + PING_TIMEOUT,
            None => self.heard + PING_AFTER,
        };
        let stalls = [
            after(self.partial_since, FRAME_PROGRESS),
            after(self.gathering_since, FRAME_PROGRESS),
            after(self.blocked_since, WRITE_STALL),
        ];
        let stall = if at.attended { stalls.into_iter().flatten().min() } else { None };
        let bounds = [self.hello_by, stall, at.pings.then_some(ping)];
        bounds.into_iter().flatten().min()
    }

    pub(super) fn due(&mut self, now: Time, at: Circumstances) -> Option<Due> {
        let passed = |since: Option<Time>, time: Duration| since.is_some_and(|since| since + time <= now);
        let dead =
            |gone, text: String| Some(Due::Dead(Error::new(Code::PeerGone(gone), Fate::Unknown, text)));
        if self.hello_by.is_some_and(|by| by <= now) {
            return dead(Gone::ReadStall, format!("no hello came within {HANDSHAKE:?}"));
        }
        let unfinished =
            passed(self.partial_since, FRAME_PROGRESS) || passed(self.gathering_since, FRAME_PROGRESS);
        if at.attended && unfinished {
            return dead(
                Gone::ReadStall,
                format!("the peer stopped in the middle of a message for {FRAME_PROGRESS:?}"),
            );
        }
        if at.attended && passed(self.blocked_since, WRITE_STALL) {
            return dead(Gone::WriteStall, format!("the peer took no bytes for {WRITE_STALL:?}"));
        }
        if !at.pings {
            return None;
        }
        match self.pinged {
            Some(pinged) if pinged + PING_TIMEOUT <= now => {
                dead(Gone::PingTimeout, format!("no answer to a ping within {PING_TIMEOUT:?}"))
            }
            None if self.heard + PING_AFTER <= now => {
                self.pinged = Some(now);
                Some(Due::Ping)
            }
            _ => None,
        }
    }
}
