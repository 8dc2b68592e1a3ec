//! The boundary that a wire implements: it never blocks and never spawns.

use std::fmt;
use std::io;
use std::sync::Arc;

#[cfg(unix)]
use std::os::fd::OwnedFd;

mod event;
mod framed;

pub use event::Event;
pub use framed::{ByteStream, Framed};

/// One connected wire that carries frames in order.
///
/// **Implementers**: no method may block, sleep or spawn. What cannot be done at once answers "would block", and
/// [`readiness`](Link::readiness) names what to wait on. A wire that carries a byte stream implements the much smaller
/// [`ByteStream`] and is wrapped in [`Framed`].
///
/// **Callers**: one caller at a time; after an error or [`Received::Closed`] only `accepted`, `peer` and `drop` are meaningful.
///
/// ```
/// use farcall::transport::{OutFrame, Received, Url, links};
///
/// let url = Url::parse("mem:doc-link")?;
/// let mut listener = links::listen(&url, &mut url.query())?;
/// let mut here = links::connect(&url, &mut url.query())?;
/// let mut there = listener.accept().expect("a link has arrived");
///
/// here.send(OutFrame { head: b"for ", body: b"you" }).and_then(|_| here.flush()).expect("there is room");
/// assert_eq!(here.accepted(), 1);
/// assert_eq!(there.receive().expect("the link is whole"), Received::Frame(b"for you"));
/// # Ok::<(), farcall::Error>(())
/// ```
pub trait Link: Send {
    /// Takes one frame whole, or nothing. What was taken may be held back until [`flush`](Link::flush).
    ///
    /// **Implementers**: where [`is_quiet`](Link::is_quiet) answers, it is called while the connection's calls are locked, so that
    /// it makes no system call for a frame that it takes, and neither wakes nor calls anybody of this process.
    ///
    /// # Errors
    /// A [`LinkFault`] ends the connection.
    fn send(&mut self, frame: OutFrame<'_>) -> Result<Sent, LinkFault>;

    /// Hands over what `send` took. Whoever stops receiving before "would block" flushes.
    ///
    /// # Errors
    /// A [`LinkFault`] ends the connection.
    fn flush(&mut self) -> Result<Sent, LinkFault>;

    /// The next frame, if one is there.
    ///
    /// # Errors
    /// A [`LinkFault`] ends the connection.
    fn receive(&mut self) -> Result<Received<'_>, LinkFault>;

    /// The same for a caller that knows where a long frame's end is to go, so that it need not be copied twice. Of such a
    /// frame a wire may give the first [`MAX_HEAD`](crate::limits::MAX_HEAD) bytes only: the number says how many follow.
    ///
    /// **Callers**: they are taken by [`receive_rest`](Link::receive_rest) before anything else is asked of the link.
    ///
    /// # Errors
    /// A [`LinkFault`] ends the connection.
    fn receive_first(&mut self) -> Result<(Received<'_>, usize), LinkFault> {
        Ok((self.receive()?, 0))
    }

    /// Appends what [`receive_first`](Link::receive_first) has left of its frame: so many bytes as it said.
    ///
    /// # Errors
    /// A [`LinkFault`] ends the connection.
    fn receive_rest(&mut self, into: &mut Vec<u8>) -> Result<(), LinkFault> {
        let _ = into;
        Ok(())
    }

    /// Whether [`receive`](Link::receive) would find nothing and has nothing to do, on a wire that can tell without a system
    /// call; others never say.
    fn is_quiet(&self) -> Option<bool> {
        None
    }

    /// How many frames kernel or ring have accepted to their last byte, counted from the first.
    ///
    /// This is what proves that a call was never sent, so it must not promise less than what is true at the peer.
    fn accepted(&self) -> u64;

    /// How many of the frames that were accepted the peer has taken out of the link, counted from the first; the others
    /// it has not seen and never will.
    ///
    /// **Implementers**: only where this can be proven, which takes that the peer is gone. **Callers** ask once the link is
    /// lost.
    fn taken(&mut self) -> Option<u64> {
        None
    }

    /// Whether a frame has arrived in part.
    fn is_mid_frame(&self) -> bool {
        false
    }

    /// What to wait on.
    fn readiness(&self) -> Readiness;

    /// A descriptor that turns readable when the peer is gone: its process has ended, or on a wire whose
    /// [`receive`](Link::receive) would not tell, it has let go of the link. Known, if at all, once a frame has been
    /// received.
    #[cfg(unix)]
    fn life(&self) -> Option<Arc<OwnedFd>> {
        None
    }

    /// Whether the peer's process has ended, as opposed to having let go of the link: asked once its [`life`](Link::life) is
    /// over.
    fn has_exited(&self) -> bool {
        true
    }

    /// How the peer's process has ended, if this side started it: asked once its [`life`](Link::life) is over.
    fn exit(&mut self) -> Option<String> {
        None
    }

    /// "Somebody is about to sleep": the next news are signalled, once, to all who listen to the readiness. `false`: there
    /// are news already. Whoever sleeps again arms again.
    ///
    /// It is not taken back by using the link: several may sleep at it, and none of them can speak for the others.
    fn arm(&mut self) -> bool {
        true
    }

    /// The same for somebody who waits for room only: what has arrived, or arrives, is no news to him.
    fn arm_for_room(&mut self) -> bool {
        true
    }

    /// "I look for news myself": until somebody arms again, none need be signalled.
    ///
    /// **Callers**: others may sleep at the link, who then hear of nothing; whoever disarms arms again before he
    /// goes away, or has one of them come who does.
    fn disarm(&mut self) {}

    /// What this wire can do.
    fn capabilities(&self) -> Capabilities;

    /// Who is at the other end, as far as the kernel says.
    fn peer(&self) -> Peer;
}

/// A place where links arrive.
///
/// **Implementers**: as for a [`Link`], nothing blocks. The drop closes the place.
///
/// **Callers**: accept until "would block", then wait for the readiness to be readable.
///
/// ```
/// use farcall::transport::{Url, links};
///
/// let url = Url::parse("tcp://127.0.0.1:0")?;
/// let mut listener = links::listen(&url, &mut url.query())?;
/// assert_ne!(Url::parse(&listener.local_url())?.port(), Some(0));
/// assert_eq!(listener.accept().err().map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock));
/// # Ok::<(), farcall::Error>(())
/// ```
pub trait Listener: Send {
    /// The next link, or `ErrorKind::WouldBlock`.
    ///
    /// # Errors
    /// Errors of one arrival are swallowed; what is returned concerns the listener (descriptors, memory).
    fn accept(&mut self) -> io::Result<Box<dyn Link>>;

    /// What to wait on.
    fn readiness(&self) -> Readiness;

    /// The URL under which this listener is reached, with what the system chose (a port) filled in.
    fn local_url(&self) -> String;

    /// What links of this listener can do: a service that needs more is refused when it is served.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Whether this listener yields one link and no more (`stdio:`, `fd:`); the server then ends with that link.
    fn is_single(&self) -> bool {
        false
    }
}

/// A frame on its way out: a header and a payload that follow each other on the wire.
///
/// ```
/// let frame = farcall::transport::OutFrame { head: b"head", body: b"" };
/// assert_eq!(frame.size(), 4);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OutFrame<'a> {
    /// The header.
    pub head: &'a [u8],
    /// The payload, possibly empty.
    pub body: &'a [u8],
}

impl OutFrame<'_> {
    /// Bytes of header and payload together.
    pub fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// What became of bytes that were offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of it was taken.
    Taken,
    /// Nothing (of a frame), or not all (of a flush); wait until the link is writable.
    WouldBlock,
}

/// What a link had to give.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// One whole frame. It is private memory: nobody else can change it.
    Frame(&'a [u8]),
    /// Nothing now.
    WouldBlock,
    /// The peer has closed its end; nothing will come.
    Closed,
}

/// Why a link cannot go on.
///
/// ```
/// use farcall::transport::LinkFault;
/// let fault = LinkFault::NotFarcall { seen: b"GET / HTTP/1.1".to_vec() };
/// assert_eq!(fault.to_string(), "the peer does not speak Farcall: it sent \"GET / HTTP/1.1\"");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// The operating system says so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The first bytes are not those of this protocol. They are kept, cut to 64.
    #[error("the peer does not speak Farcall: it sent {}", Escaped(.seen))]
    NotFarcall {
        /// The first bytes that arrived.
        seen: Vec<u8>,
    },
    /// A frame is larger than any may be.
    #[error("a frame of {size} bytes arrived, the limit is {limit}")]
    FrameTooLarge {
        /// Its length as declared, in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer's process has ended; says how.
    #[error("{0}")]
    Exited(String),
    /// The peer broke a rule of this wire.
    #[error("{0}")]
    Broken(String),
    /// This process is a forked child of the one that made the link.
    #[error("the connection belongs to the process that this one was forked from; connect anew")]
    Forked,
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What can be waited on.
///
/// ```
/// use farcall::transport::{Event, Readiness};
/// use std::sync::Arc;
/// let news = Arc::new(Event::new());
/// let readiness = Readiness::Event(Arc::clone(&news)); // for whoever sleeps
/// news.notify(); // by whoever has news
/// # drop(readiness);
/// ```
#[derive(Clone, Debug)]
pub enum Readiness {
    /// Descriptors for `poll(2)`; a socket names itself twice.
    #[cfg(unix)]
    Fd {
        /// Readable when there is something to receive or accept.
        read: Arc<OwnedFd>,
        /// Writable when there is room to send.
        write: Arc<OwnedFd>,
    },
    /// A descriptor that turns readable at every kind of news, room to send among them, if the link is
    /// [armed](Link::arm). It may stay readable until then.
    #[cfg(unix)]
    Bell(Arc<OwnedFd>),
    /// Something inside this process.
    Event(Arc<Event>),
}

/// What a wire can do; a service that needs more is refused when it is connected or served.
///
/// ```
/// use farcall::transport::Capabilities;
/// let mut far = Capabilities::default();
/// far.needs_ping = true; // no end of file comes when the machine at the other end loses its power
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Largest frame in one piece, in bytes.
    pub max_frame: usize,
    /// Bytes of payload at which a message is cut into fragments: small enough that both sides work at a large one at the
    /// same time, and at most [`MAX_FRAGMENT`](crate::limits::MAX_FRAGMENT).
    pub fragment: usize,
    /// Whether descriptors can be passed.
    pub descriptors: bool,
    /// Whether the kernel tells who the peer is.
    pub identity: bool,
    /// Whether replies can come back.
    pub reply_path: bool,
    /// Whether whoever is called can call back on the same connection.
    pub calls_back: bool,
    /// Whether messages survive while no peer is there.
    pub survives_peer: bool,
    /// Whether only pings can tell that a peer is gone.
    pub needs_ping: bool,
}

impl Default for Capabilities {
    /// A byte stream between two processes of one machine, and nothing more.
    fn default() -> Self {
        Capabilities {
            max_frame: crate::limits::MAX_FRAME,
            fragment: crate::limits::MAX_FRAGMENT,
            descriptors: false,
            identity: false,
            reply_path: true,
            calls_back: true,
            survives_peer: false,
            needs_ping: false,
        }
    }
}

/// Who is at the other end.
///
/// ```
/// use farcall::transport::Peer;
/// let mut peer = Peer::on("carrier-pigeon");
/// peer.address = Some("the roof".to_owned());
/// assert_eq!((peer.transport, peer.pid), ("carrier-pigeon", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Peer {
    /// The wire's scheme.
    pub transport: &'static str,
    /// The peer's address, where it has one.
    pub address: Option<String>,
    /// The peer's user, where the kernel knows it.
    pub uid: Option<u32>,
    /// The peer's group, where the kernel knows it.
    pub gid: Option<u32>,
    /// The peer's process, where the kernel knows it.
    pub pid: Option<u32>,
    /// Why this wire was taken where the URL would have preferred another.
    pub fallback: Option<String>,
}

impl Peer {
    /// Somebody on this wire of whom nothing else is known.
    pub fn on(transport: &'static str) -> Self {
        Peer { transport, ..Peer::default() }
    }
}
