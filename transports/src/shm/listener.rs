//! Listening for those who want to share memory, and answering each of them at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use farcall_core::limits::RINGS;
use farcall_core::transport::{Framed, Link, Listener};
use farcall_core::wire::rendezvous::{Answer, Grant, Request, Wish};
use farcall_core::{Code, Error, Fate, Trust};

use super::source::{Source, allows, instead, word};
use super::{Offer, Parts, ShmLink, Terms, peer};
use crate::rendezvous::{self, Answers, Caller, Reception, Site};
use crate::ring::{Layout, Side};
use crate::unix::UnixStream;
use crate::url::Url;

/// What is served.
struct Memory {
    terms: Terms,
    source: Source,
    /// Whoever cannot have memory may have the socket as a stream.
    gives_streams: bool,
    address: String,
}

pub(crate) fn listen(url: &Url, terms: Terms, gives_streams: bool) -> Result<Box<dyn Listener>, Error> {
    let kind = terms.memory.unwrap_or_default();
    // Without this no client would be let in.
    let options = if allows(kind, Trust::SameUser).is_err() { "?trust=trusted" } else { "" };
    let memory = |Site { address, directory, mark }| {
        let source = Source { kind, mark, directory };
        Memory { terms, source, gives_streams, address }
    };
    Ok(Box::new(Reception::open(url, options, memory)?))
}

impl Answers for Memory {
    fn answer(&self, caller: Caller) -> Option<Box<dyn Link>> {
        let trust = self.terms.trust.max(caller.request.trust);
        let Caller { socket, request, who, process } = caller;
        let socket = Arc::new(socket);
        let refusal = match self.memory(&request, trust, &socket) {
            Ok(Offer { layout, keys, memory, segment, bell, descriptors }) => {
                let ring = u32::try_from(layout.ring_bytes()).expect("a ring has at most 1 GiB");
                let parts = Parts {
                    memory,
                    layout,
                    side: Side::Listener,
                    keys,
                    bell,
                    socket: Arc::clone(&socket),
                    process: process.clone(),
                    peer: peer(self.terms.transport, who, self.address.clone()),
                    trust,
                };
                match ShmLink::new(parts) {
                    Ok(link) => {
                        let keys = [keys.from_listener, keys.from_connector];
                        let kind = self.source.kind;
                        let answer = Answer::Memory { kind, segment, ring, keys };
                        let said = say(&socket, &request, trust, answer, "", &descriptors);
                        return said.ok().map(|()| Box::new(link) as Box<dyn Link>);
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        if self.gives_streams && matches!(request.wish, Wish::Stream | Wish::MemoryOrStream) {
            let reason = refusal.to_string();
            say(&socket, &request, trust, Answer::Stream, &reason, &[]).ok()?;
            let socket = Arc::into_inner(socket).expect("nobody else has it where there is no link");
            let stream = UnixStream::met(socket, who, self.address.clone(), process, reason);
            return Some(Box::new(Framed::accepted(stream)));
        }
        let _ = say(&socket, &request, trust, Answer::Refused(refusal.code()), &refusal.to_string(), &[]);
        None
    }
}

impl Memory {
    /// What is offered to somebody who asks for this.
    fn memory(&self, request: &Request, trust: Trust, socket: &Arc<OwnedFd>) -> Result<Offer, Error> {
        let refuse = |code, why: String| Err(Error::new(code, Fate::NotSent, why));
        if request.wish == Wish::Queues {
            let why = format!("this is no mq: server; connect with {}:", self.terms.transport);
            return refuse(Code::InvalidConfig, why);
        }
        if request.wish == Wish::Stream {
            return refuse(Code::Unsupported, "the client shares no memory".to_owned());
        }
        let kind = self.source.kind;
        if let Some(asked) = request.memory.filter(|asked| *asked != kind) {
            let remedy = instead(asked);
            let why =
                format!("the client asks for {}, what is served is {}; {remedy}", word(asked), word(kind));
            return refuse(Code::InvalidConfig, why);
        }
        allows(kind, trust)?;
        let most = usize::try_from(request.max_ring).unwrap_or(RINGS.1);
        if most < RINGS.0 {
            let why = format!("the client takes rings of {most} bytes at most, the least is {}", RINGS.0);
            return refuse(Code::InvalidConfig, why);
        }
        // The greatest power of two that both can do with.
        let ring = 1 << most.min(self.terms.ring).ilog2();
        let layout = Layout::new(ring).expect("the size is a power of two within its bounds");
        Offer::make(&self.source, layout, trust, socket)
    }
}

fn say(
    socket: &OwnedFd,
    request: &Request,
    trust: Trust,
    answer: Answer,
    reason: &str,
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    let grant = Grant { answer, trust, nonce: request.nonce, reason: reason.to_owned() };
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    rendezvous::say(socket, &grant, &descriptors)
}
