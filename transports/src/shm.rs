//! `shm:NAME` and `shm:/path`: two rings in memory that a Unix socket has passed, and that socket as the sign of life.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use farcall_core::limits::{DEFAULT_RING, RINGS};
use farcall_core::transport::{Link, Listener, Peer};
use farcall_core::wire::rendezvous::{Answer, Request, Wish};
use farcall_core::{Code, Error, Fate, Trust};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::query::{Query, TRUST};
use crate::rendezvous::{Granted, visit};
use crate::ring::{Keys, Layout, Side};
use crate::scheme::Scheme;
use crate::sys::peer::Credentials;
use crate::url::Url;

mod doorbell;
mod link;
mod listener;
mod mapping;

use doorbell::Bell;
use link::{Parts, ShmLink};
pub(crate) use listener::ShmListener;
pub(crate) use mapping::is_possible;

#[cfg(test)]
mod tests;

pub(crate) struct Shm;

impl Scheme for Shm {
    fn name(&self) -> &'static str {
        "shm"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let terms = Terms::of(url, query)?;
        query.finish()?;
        let granted = ask(url, &terms, Wish::Memory)?;
        Ok(Box::new(adopt(granted).map_err(|error| error.context(url))?))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let terms = Terms::of(url, query)?;
        query.finish()?;
        Ok(Box::new(ShmListener::new(url, terms, false)?))
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
}

impl Terms {
    pub(crate) fn of(url: &Url, query: &mut Query) -> Result<Self, Error> {
        // Of builder and URL the more careful counts, so that a URL from elsewhere cannot loosen what the program says.
        let trust = query.take_choice("trust", &TRUST)?.max(query.trust()).unwrap_or_default();
        let ring = query.take_bytes("ring", RINGS.0..=RINGS.1)?.unwrap_or(DEFAULT_RING);
        if !ring.is_power_of_two() {
            let (below, above) = (ring.next_power_of_two() / 2, ring.next_power_of_two());
            return Err(url.refuse(format!(
                "the size of a ring is a power of two; write ring={below} or ring={above}"
            )));
        }
        Ok(Terms { trust, ring })
    }
}

/// Asks the server for what is wished.
///
/// # Errors
/// As [`visit`].
pub(crate) fn ask(url: &Url, terms: &Terms, wish: Wish) -> Result<Granted, Error> {
    let mut nonce = [0; 16];
    random(&mut nonce).map_err(|error| error.context(url))?;
    let max_ring = u32::try_from(terms.ring).expect("a ring has at most 1 GiB");
    let request = Request { wish, trust: terms.trust, max_ring, nonce };
    visit(url, &request, |grant| match (grant.answer, grant.trust) {
        (Answer::Memory { .. }, Trust::Hostile) => 1,
        (Answer::Memory { .. }, _) => 3,
        _ => 0,
    })
    .and_then(|granted| match granted.grant.answer {
        Answer::Memory { ring, .. } if ring > max_ring || wish == Wish::Stream => {
            Err(strange(url, "it grants more than was asked for"))
        }
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
pub(crate) fn adopt(granted: Granted) -> Result<ShmLink, Error> {
    ShmLink::new(parts(granted)?)
}

/// What was granted, taken apart and checked. Nothing of the memory is touched before.
fn parts(granted: Granted) -> Result<Parts, Error> {
    let Granted { socket, grant, descriptors, who, process, address } = granted;
    let refuse = |what: &str| {
        Error::new(Code::ProtocolViolation, Fate::NotSent, format!("the server's grant is refused: {what}"))
    };
    let Answer::Memory { ring, keys: [from_listener, from_connector], .. } = grant.answer else {
        return Err(refuse("it grants no memory"));
    };
    let layout = usize::try_from(ring).ok().and_then(Layout::new);
    let layout = layout.ok_or_else(|| refuse("no ring has the size that it names"))?;
    let socket = Arc::new(socket);
    let mut descriptors = descriptors.into_iter();
    let memory = descriptors.next().ok_or_else(|| refuse("the memory is missing"))?;
    let bell = match (descriptors.next(), descriptors.next()) {
        (Some(theirs), Some(ours)) if Bell::is_event(&theirs) && Bell::is_event(&ours) => {
            Bell::Events { ours: Arc::new(ours), theirs }
        }
        (None, None) => Bell::Socket(Arc::clone(&socket)),
        _ => return Err(refuse("a bell that it passes is none")),
    };
    let memory = mapping::adopt(&memory, layout)?;
    Ok(Parts {
        memory,
        layout,
        side: Side::Connector,
        keys: Keys { from_listener, from_connector },
        bell,
        socket,
        process,
        peer: peer(who, address),
        trust: grant.trust,
    })
}

/// What of a connection goes to the other side.
struct Offer {
    layout: Layout,
    keys: Keys,
    session: u64,
    memory: crate::ring::Mapped,
    bell: Bell,
    /// In the order of the grant.
    descriptors: Vec<OwnedFd>,
}

impl Offer {
    /// Memory and bells for a connection over `socket`.
    ///
    /// # Errors
    /// They cannot be had.
    fn make(layout: Layout, trust: Trust, socket: &Arc<OwnedFd>) -> Result<Self, Error> {
        let mut numbers = [[0; 8]; 3];
        random(numbers.as_flattened_mut())?;
        let [from_listener, from_connector, session] = numbers.map(u64::from_le_bytes);
        let (fd, memory) = mapping::make(layout)?;
        let exhausted = |error: std::io::Error| {
            Error::new(Code::ResourceExhausted, Fate::NotSent, format!("a bell cannot be had: {error}"))
        };
        let (bell, descriptors) = match Bell::make(trust).map_err(|errno| exhausted(errno.into()))? {
            None => (Bell::Socket(Arc::clone(socket)), vec![fd]),
            Some([ours, theirs]) => {
                let lent = theirs.try_clone().map_err(exhausted)?;
                let own = ours.try_clone().map_err(exhausted)?;
                (Bell::Events { ours: Arc::new(ours), theirs }, vec![fd, own, lent])
            }
        };
        let keys = Keys { from_listener, from_connector };
        Ok(Offer { layout, keys, session, memory, bell, descriptors })
    }
}

fn peer(who: Credentials, address: String) -> Peer {
    let mut peer = Peer::on("shm");
    peer.address = Some(address);
    (peer.uid, peer.gid, peer.pid) = (Some(who.uid), Some(who.gid), who.pid);
    peer
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    let mut have = 0;
    while have < bytes.len() {
        let got = rustix::io::retry_on_intr(|| getrandom(&mut bytes[have..], GetRandomFlags::empty()));
        have += got.map_err(|errno| {
            Error::new(Code::ResourceExhausted, Fate::NotSent, "the system gives no random numbers")
                .with_source(std::io::Error::from(errno))
        })?;
    }
    Ok(())
}
