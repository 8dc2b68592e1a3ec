//! A link that gives every frame but the shortest in two steps, as a ring does with long ones.

use crate::limits::MAX_HEAD;
use crate::testkit::ScriptedStream;
use crate::transport::{Capabilities, Framed, Link, LinkFault, OutFrame, Peer, Readiness, Received, Sent};

/// Bytes of a fragment: not what stream wires take, and no multiple of anything.
const FRAGMENT: usize = 20_011;

pub(super) struct TwoSteps {
    link: Framed<ScriptedStream>,
    /// What was begun.
    frame: Vec<u8>,
}

impl TwoSteps {
    pub(super) fn new(link: Framed<ScriptedStream>) -> Self {
        TwoSteps { link, frame: Vec::new() }
    }
}

impl Link for TwoSteps {
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault> {
        self.link.send(frame)
    }

    fn flush(&mut self) -> Result<Sent, LinkFault> {
        self.link.flush()
    }

    fn receive(&mut self) -> Result<Received<'_>, LinkFault> {
        self.link.receive()
    }

    fn receive_first(&mut self) -> Result<(Received<'_>, usize), LinkFault> {
        assert!(self.frame.is_empty(), "the rest comes before anything else");
        match self.link.receive()? {
            Received::Frame(frame) if frame.len() > MAX_HEAD => {
                self.frame = frame.to_vec();
                Ok((Received::Frame(&self.frame[..MAX_HEAD]), self.frame.len() - MAX_HEAD))
            }
            other => Ok((other, 0)),
        }
    }

    fn receive_rest(&mut self, into: &mut Vec<u8>) -> Result<(), LinkFault> {
        into.extend_from_slice(&self.frame[MAX_HEAD..]);
        self.frame.clear();
        Ok(())
    }

    fn accepted(&self) -> u64 {
        self.link.accepted()
    }

    fn is_mid_frame(&self) -> bool {
        self.link.is_mid_frame()
    }

    fn readiness(&self) -> Readiness {
        self.link.readiness()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { fragment: FRAGMENT, ..self.link.capabilities() }
    }

    fn peer(&self) -> Peer {
        self.link.peer()
    }
}
