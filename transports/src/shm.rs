//! `shm:NAME` and `shm:/path`: two rings in memory that a Unix socket has passed, and that socket as the sign of life.
//! `?memory=memfd|posix|sysv` chooses what the memory is made of; `source` has what each can promise.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::limits::{DEFAULT_RING, RINGS};
use farcall_core::transport::{Link, Listener, Peer};
use farcall_core::wire::rendezvous::{Answer, MemoryKind, Request, Wish};
use farcall_core::{Code, Error, Fate, Trust};

use crate::query::Query;
use crate::rendezvous::{Granted, visit};
use crate::ring::{Keys, Layout, Side};
use crate::scheme::Scheme;
use crate::sys::peer::Credentials;
use crate::url::Url;

mod doorbell;
mod link;
mod listener;
mod mapping;
mod source;

use doorbell::Bell;
use link::{Parts, ShmLink};
pub(crate) use listener::listen;
pub(crate) use mapping::is_possible;
#[cfg(feature = "mailbox")]
pub(crate) use mapping::publish;
use source::Source;

#[cfg(test)]
mod tests;

pub(crate) struct Shm;

impl Scheme for Shm {
    fn name(&self) -> &'static str {
        "shm"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let terms = Terms::choosing(url, query)?;
        query.finish()?;
        let granted = ask(url, &terms, Wish::Memory)?;
        Ok(Box::new(adopt(granted, terms.transport).map_err(|error| error.context(url))?))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let terms = Terms::choosing(url, query)?;
        query.finish()?;
        listen(url, terms, false)
    }

    fn may_block(&self, _url: &Url) -> bool {
        true
    }
}

/// What one side asks of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    trust: Trust,
    /// Bytes of one direction's ring.
    ring: usize,
    /// What the memory is made of; `None`: as the listening side likes, which is a memfd there.
    memory: Option<MemoryKind>,
    /// The wire.
    transport: &'static str,
}

impl Terms {
    pub(crate) fn of(url: &Url, query: &mut Query) -> Result<Self, Error> {
        let trust = query.take_trust()?;
        let ring = query.take_bytes("ring", RINGS.0..=RINGS.1)?.unwrap_or(DEFAULT_RING);
        if !ring.is_power_of_two() {
            let (below, above) = (ring.next_power_of_two() / 2, ring.next_power_of_two());
            return Err(url.refuse(format!(
                "the size of a ring is a power of two; write ring={below} or ring={above}"
            )));
        }
        Ok(Terms { trust, ring, memory: None, transport: "shm" })
    }

    /// The same, where the URL may choose the memory.
    fn choosing(url: &Url, query: &mut Query) -> Result<Self, Error> {
        let kinds =
            [("memfd", MemoryKind::Memfd), ("posix", MemoryKind::Posix), ("sysv", MemoryKind::SystemV)];
        let memory = query.take_choice("memory", &kinds)?;
        let terms = Terms { memory, ..Terms::of(url, query)? };
        memory
            .map_or(Ok(()), |kind| source::allows(kind, terms.trust))
            .map_err(|error| error.context(url))?;
        Ok(terms)
    }

    /// The same for memory that is a file.
    pub(crate) fn of_file(url: &Url, query: &mut Query) -> Result<Self, Error> {
        let (memory, transport) = (Some(MemoryKind::File), "mmap");
        let terms = Terms { memory, transport, ..Terms::of(url, query)? };
        source::allows(MemoryKind::File, terms.trust).map_err(|error| error.context(url))?;
        Ok(terms)
    }

    /// The wire.
    pub(crate) fn transport(&self) -> &'static str {
        self.transport
    }
}

/// Asks the server for what is wished.
///
/// # Errors
/// As [`visit`].
pub(crate) fn ask(url: &Url, terms: &Terms, wish: Wish) -> Result<Granted, Error> {
    let mut nonce = [0; 16];
    crate::mark::random(&mut nonce).map_err(|error| error.context(url))?;
    let max_ring = u32::try_from(terms.ring).expect("a ring has at most 1 GiB");
    let request = Request { wish, trust: terms.trust, memory: terms.memory, max_depth: 0, max_ring, nonce };
    visit(url, &request, |grant| match (grant.answer, grant.trust) {
        (Answer::Memory { kind: MemoryKind::SystemV, .. }, _) => 2,
        (Answer::Memory { .. }, Trust::Hostile) => 1,
        (Answer::Memory { .. }, _) => 3,
        _ => 0,
    })
    .and_then(|granted| match granted.grant.answer {
        Answer::Memory { ring, .. } if ring > max_ring || wish == Wish::Stream => {
            Err(strange(url, "it grants more than was asked for"))
        }
        Answer::Memory { kind, .. } if terms.memory.is_some_and(|asked| asked != kind) => {
            Err(strange(url, "it grants other memory than was asked for"))
        }
        Answer::Queues { .. } => Err(strange(url, "it grants queues")),
        Answer::Stream if wish == Wish::Memory => Err(strange(url, "it grants no memory")),
        _ => Ok(granted),
    })
}

fn strange(url: &Url, what: &str) -> Error {
    let text = format!("{url}: the server's grant is refused: {what}");
    Error::new(Code::ProtocolViolation, Fate::NotSent, text)
}

/// The connecting side's link, of what was granted.
///
/// # Errors
/// What was passed is refused, or a resource of this process is exhausted.
pub(crate) fn adopt(granted: Granted, transport: &'static str) -> Result<ShmLink, Error> {
    ShmLink::new(parts(granted, transport)?)
}

/// What was granted, taken apart and checked. Nothing of the memory is touched before.
fn parts(granted: Granted, transport: &'static str) -> Result<Parts, Error> {
    let Granted { socket, grant, descriptors, who, process, address } = granted;
    let refuse = |what: &str| {
        Error::new(Code::ProtocolViolation, Fate::NotSent, format!("the server's grant is refused: {what}"))
    };
    let Answer::Memory { kind, segment, ring, keys: [from_listener, from_connector], .. } = grant.answer
    else {
        return Err(refuse("it grants no memory"));
    };
    source::allows(kind, grant.trust)?;
    let layout = usize::try_from(ring).ok().and_then(Layout::new);
    let layout = layout.ok_or_else(|| refuse("no ring has the size that it names"))?;
    let socket = Arc::new(socket);
    let mut descriptors = descriptors.into_iter();
    let memory = if kind == MemoryKind::SystemV { None } else { descriptors.next() };
    let bell = match (descriptors.next(), descriptors.next()) {
        (Some(theirs), Some(ours)) if Bell::is_event(&theirs) && Bell::is_event(&ours) => {
            Bell::Events { ours: Arc::new(ours), theirs }
        }
        (None, None) => Bell::Socket(Arc::clone(&socket)),
        _ => return Err(refuse("a bell that it passes is none")),
    };
    let memory = source::adopt(kind, memory.as_ref(), segment, layout)?;
    Ok(Parts {
        memory,
        layout,
        side: Side::Connector,
        keys: Keys { from_listener, from_connector },
        bell,
        socket,
        process,
        peer: peer(transport, who, address),
        trust: grant.trust,
    })
}

/// What of a connection goes to the other side.
struct Offer {
    layout: Layout,
    keys: Keys,
    memory: crate::ring::Mapped,
    /// The segment's number; 0 of other memory.
    segment: u32,
    bell: Bell,
    /// In the order of the grant.
    descriptors: Vec<OwnedFd>,
}

impl Offer {
    /// Memory and bells for a connection over `socket`.
    ///
    /// # Errors
    /// They cannot be had.
    fn make(source: &Source, layout: Layout, trust: Trust, socket: &Arc<OwnedFd>) -> Result<Self, Error> {
        let mut numbers = [[0; 8]; 2];
        crate::mark::random(numbers.as_flattened_mut())?;
        let [from_listener, from_connector] = numbers.map(u64::from_le_bytes);
        let source::Made { fd, segment, memory } = source.make(layout)?;
        let exhausted = |error: std::io::Error| {
            Error::new(Code::ResourceExhausted, Fate::NotSent, format!("a bell cannot be had: {error}"))
        };
        let (bell, descriptors) = match Bell::make(trust).map_err(|errno| exhausted(errno.into()))? {
            None => (Bell::Socket(Arc::clone(socket)), fd.into_iter().collect()),
            Some([ours, theirs]) => {
                let lent = theirs.try_clone().map_err(exhausted)?;
                let own = ours.try_clone().map_err(exhausted)?;
                (Bell::Events { ours: Arc::new(ours), theirs }, fd.into_iter().chain([own, lent]).collect())
            }
        };
        let keys = Keys { from_listener, from_connector };
        Ok(Offer { layout, keys, memory, segment, bell, descriptors })
    }
}

fn peer(transport: &'static str, who: Credentials, address: String) -> Peer {
    let mut peer = Peer::on(transport);
    peer.address = Some(address);
    (peer.uid, peer.gid, peer.pid) = (Some(who.uid), Some(who.gid), who.pid);
    peer
}
