//! `mq:NAME` and `mq:/path`: a pair of POSIX message queues for each connection, made by the listening side, passed over
//! the Unix socket at which the two meet, and without a name from then on. The socket stays as the sign of life.

use std::sync::Arc;

use farcall_core::transport::{Link, Listener, Peer};
use farcall_core::wire::rendezvous::{Answer, Request, Wish};
use farcall_core::{Code, Error, Fate, Trust};

use crate::mark::random;
use crate::query::Query;
use crate::queue::{Attributes, Queue};
use crate::rendezvous::{Granted, visit};
use crate::scheme::Scheme;
use crate::sys::peer::Credentials;
use crate::url::Url;

mod inward;
mod link;
mod listener;
mod outward;
#[cfg(test)]
mod tests;

use link::{MqLink, Parts};

/// Messages of a queue, and bytes of a message, unless the URL says otherwise: so that more than 30 connections fit in
/// the bytes that a user's queues may have by default (`RLIMIT_MSGQUEUE`).
const DEPTH: u8 = 8;
const MESSAGE: usize = 1024;

/// Bytes of a message: room for a small frame, and no more than a frame needs.
const MESSAGES: (usize, usize) = (64, 64 * 1024);

/// Bytes before those of the frame in a message: stamp and length.
const HEAD: usize = 8;

/// The length that stands for the end.
const END: u32 = u32::MAX;

pub(crate) struct Mq;

impl Scheme for Mq {
    fn name(&self) -> &'static str {
        "mq"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let terms = Terms::of(query)?;
        query.finish()?;
        let link = parts(ask(url, &terms)?).and_then(MqLink::new);
        Ok(Box::new(link.map_err(|error| error.context(url))?))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let terms = Terms::of(query)?;
        query.finish()?;
        listener::listen(url, terms)
    }

    fn may_block(&self, _url: &Url) -> bool {
        true
    }
}

/// What one side asks of the other.
#[derive(Clone, Copy, Debug)]
struct Terms {
    trust: Trust,
    depth: Option<u8>,
    message: Option<usize>,
}

impl Terms {
    fn of(query: &mut Query) -> Result<Self, Error> {
        Ok(Terms {
            trust: query.take_trust()?,
            depth: query.take_number("depth", 1..=u8::MAX)?,
            message: query.take_bytes("msgsize", MESSAGES.0..=MESSAGES.1)?,
        })
    }

    /// Messages and bytes of a message for somebody who asks for this.
    fn meet(&self, request: &Request) -> (u8, usize) {
        let (depth, message) = (self.depth.unwrap_or(DEPTH), self.message.unwrap_or(MESSAGE));
        let depth = if request.max_depth == 0 { depth } else { depth.min(request.max_depth) };
        match usize::try_from(request.max_ring).unwrap_or(usize::MAX) {
            0 => (depth, message),
            most => (depth, message.min(most)),
        }
    }
}

fn ask(url: &Url, terms: &Terms) -> Result<Granted, Error> {
    let mut nonce = [0; 16];
    random(&mut nonce).map_err(|error| error.context(url))?;
    let max_ring = u32::try_from(terms.message.unwrap_or(0)).expect("a message has 64 KiB at most");
    let (wish, max_depth) = (Wish::Queues, terms.depth.unwrap_or(0));
    let request = Request { wish, trust: terms.trust, memory: None, max_depth, max_ring, nonce };
    visit(url, &request, |grant| if matches!(grant.answer, Answer::Queues { .. }) { 2 } else { 0 })
}

/// What was granted, taken apart and checked.
fn parts(granted: Granted) -> Result<Parts, Error> {
    let Granted { socket, grant, descriptors, who, process, address } = granted;
    let refuse = |what: &str| {
        Error::new(Code::ProtocolViolation, Fate::NotSent, format!("the server's grant is refused: {what}"))
    };
    let Answer::Queues { message, depth, keys: [from_listener, from_connector], .. } = grant.answer else {
        return Err(refuse("it grants no queues"));
    };
    let message = usize::try_from(message).unwrap_or(0);
    if !(MESSAGES.0..=MESSAGES.1).contains(&message) || depth == 0 {
        return Err(refuse("no queue has the size that it names"));
    }
    let mut queues = descriptors.into_iter().map(|fd| {
        let queue = Queue::adopt(fd).map_err(|_| refuse("what it passes is no message queue"))?;
        let found = queue.attributes().map_err(|_| refuse("what it passes is no message queue"))?;
        // Somebody may have sent already.
        match (Attributes { waiting: 0, ..found })
            == (Attributes { depth: depth.into(), message, waiting: 0 })
        {
            true => Ok(queue),
            false => Err(refuse("a queue has not the size that was agreed")),
        }
    });
    let mut next = || queues.next().unwrap_or_else(|| Err(refuse("a queue is missing")));
    let (inward, outward) = (next()?, next()?);
    Ok(Parts {
        inward,
        outward,
        keys: (from_listener, from_connector),
        message,
        socket: Arc::new(socket),
        process,
        peer: peer(who, address),
        trust: grant.trust,
    })
}

fn peer(who: Credentials, address: String) -> Peer {
    let mut peer = Peer::on("mq");
    peer.address = Some(address);
    (peer.uid, peer.gid, peer.pid) = (Some(who.uid), Some(who.gid), who.pid);
    peer
}
