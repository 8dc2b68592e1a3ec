//! `mailbox:/NAME`: callers address a named message queue, from which any number of servers take calls.
//!
//! Nobody is at the other end of a mailbox. Each side has a link that plays the part of the other towards its own driver:
//! `caller` turns frames into letters and slips into verdicts, `taker` does the reverse.

use std::ffi::{CStr, CString};

use farcall_core::codec::Codec;
use farcall_core::transport::{Link, Listener};
use farcall_core::{Code, Error};
use rustix::io::Errno;

use crate::mark::random;
use crate::query::Query;
use crate::queue::{self, Queue};
use crate::refusal::refused;
use crate::scheme::Scheme;
use crate::single::Single;
use crate::url::Url;

mod bell;
mod caller;
mod drawer;
mod laggards;
mod ledger;
mod post;
mod taker;

use drawer::Drawer;

/// Letters that a mailbox holds unless the URL says otherwise: what the kernel gives everybody.
const DEPTH: usize = 10;

/// Bytes of a letter unless the URL says otherwise: large enough for small arguments, small enough for twenty mailboxes.
const LETTER: usize = 4096;

/// What a letter may be: its names alone can take 850 bytes.
const LETTERS: (usize, usize) = (1024, 1024 * 1024);

/// Calls that a server takes at once unless the URL says otherwise: what it has not begun is for others.
const TAKE: u32 = 1;

pub(crate) struct Mailbox;

impl Scheme for Mailbox {
    fn name(&self) -> &'static str {
        "mailbox"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let wish = Wish::of(query)?;
        let when_full = query.full();
        query.finish()?;
        let (queue, drawer) = wish.open(url)?;
        Ok(Box::new(caller::CallerLink::new(url, queue, drawer, when_full)?))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let wish = Wish::of(query)?;
        let most = query.take_number("take", 1..=farcall_core::limits::DEFAULT_WINDOW)?.unwrap_or(TAKE);
        let codec = query.take_text("codec")?;
        let known = codec.as_deref().map_or(Some(Codec::default()), Codec::from_name);
        let Some(codec) = known else {
            let name = codec.unwrap_or_default();
            return Err(url.refuse(format!(
                "option `codec` does not know `{name}`; it may be left out of this build (features)"
            )));
        };
        query.finish()?;
        let (queue, drawer) = wish.open(url)?;
        let link = taker::TakerLink::new(url, queue, drawer, most as usize, codec.name().to_owned())?;
        let address = format!("mailbox:{}", url.path().display());
        Ok(Box::new(Single::new(Box::new(link), address).map_err(|error| exhausted(url, error))?))
    }
}

/// Removes the mailbox `url` with all calls that wait in it; those who have it open keep it among themselves. `false`:
/// there is none. A mailbox that is not removed stays until the system ends.
///
/// This is the only way to take back what was put into a mailbox. A call cannot be cancelled there, since nobody can find it
/// among the others: one that is dropped stays, and its handler hears of nothing. One whose deadline passes ends as `Unknown`
/// once it has been put, as `NotSent` before; if it is taken later than that, it is not served.
///
/// # Errors
/// `InvalidConfig` for another URL, `PermissionDenied` if it belongs to another user.
///
/// ```
/// # use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
/// let calc: CalculatorClient = farcall::connect("mailbox:/doc-remove").wait()?;
/// let sum = calc.add(2, 3).submit(); // nobody serves it yet
/// let server = farcall::serve("mailbox:/doc-remove", CalculatorServer::new(Calc)).wait()?;
/// assert_eq!(sum.wait()?, 5);
/// # drop(server);
/// assert!(farcall::remove_mailbox("mailbox:/doc-remove")?);
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn remove_mailbox(url: &str) -> Result<bool, Error> {
    let url = Url::parse(url)?;
    if url.scheme() != "mailbox" {
        return Err(url.refuse("it is no mailbox; write mailbox:/NAME"));
    }
    let name = name(&url)?;
    let is_there = match queue::unlink(&name) {
        Ok(()) => true,
        Err(Errno::NOENT) => false,
        Err(errno) => return Err(refused(&url, "removing the mailbox", errno, FOREIGN)),
    };
    Drawer::open(&url, &name)?.empty();
    Ok(is_there)
}

/// What a URL asks of a mailbox that is not there yet; one that is there must be so.
struct Wish {
    depth: Option<usize>,
    letter: Option<usize>,
}

impl Wish {
    fn of(query: &mut Query) -> Result<Self, Error> {
        let depth = query.take_number("depth", 1..=65_536)?;
        let letter = query.take_bytes("msgsize", LETTERS.0..=LETTERS.1)?;
        Ok(Wish { depth, letter })
    }

    fn open(&self, url: &Url) -> Result<(Queue, Drawer), Error> {
        let name = name(url)?;
        let queue = open(url, &name, self.depth.unwrap_or(DEPTH), self.letter.unwrap_or(LETTER))?;
        let found = queue.attributes().map_err(|errno| exhausted(url, errno))?;
        let differs = self.depth.is_some_and(|depth| depth != found.depth)
            || self.letter.is_some_and(|letter| letter != found.message);
        if differs || found.message < LETTERS.0 {
            return Err(url.refuse(format!(
                "the mailbox is there already and holds {} messages of {} bytes; leave out ?depth= and ?msgsize=, or \
                 remove it first (remove_mailbox)",
                found.depth, found.message
            )));
        }
        let drawer = Drawer::open(url, &name)?;
        drawer.sweep();
        Ok((queue, drawer))
    }
}

/// The queue of this name, which is made unless it is there. It is this user's alone, or refused.
fn open(url: &Url, name: &CStr, depth: usize, letter: usize) -> Result<Queue, Error> {
    let queue = loop {
        match Queue::open(name) {
            Ok(queue) => break queue,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(refused(url, "opening the mailbox", errno, FOREIGN)),
        }
        match Queue::create(name, depth, letter) {
            Ok(queue) => break queue,
            // Somebody else was quicker.
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(queue::explain(errno, depth, letter).context(url)),
        }
    };
    let found = rustix::fs::fstat(&**queue.fd()).map_err(|errno| exhausted(url, errno))?;
    if found.st_uid != rustix::process::geteuid().as_raw() || found.st_mode & 0o077 != 0 {
        return Err(refused(url, "opening the mailbox", Errno::ACCESS, FOREIGN));
    }
    Ok(queue)
}

const FOREIGN: &[(Errno, Code, &str)] = &[(
    Errno::ACCESS,
    Code::PermissionDenied,
    "the mailbox belongs to another user or is open to others; choose another name",
)];

/// The queue's name, with its slash.
fn name(url: &Url) -> Result<CString, Error> {
    url.without_host()?;
    let name = url.path().to_str().unwrap_or_default();
    let is_name = name.strip_prefix('/').is_some_and(|bare| {
        !bare.is_empty() && !bare.starts_with('.') && bare.len() <= 128 && !bare.contains('/')
    });
    if !is_name {
        return Err(
            url.refuse("a mailbox has one slash and a name of at most 128 bytes; write mailbox:/NAME")
        );
    }
    CString::new(name).map_err(|_| url.refuse("a name has no zero byte; write mailbox:/NAME"))
}

/// 128 bits that nobody can guess.
///
/// # Errors
/// The system gives none; the URL is not named.
fn random_id() -> Result<[u8; 16], Error> {
    let mut id = [0; 16];
    random(&mut id)?;
    Ok(id)
}

fn exhausted(url: &Url, error: impl Into<std::io::Error>) -> Error {
    refused(url, "opening the mailbox", error, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
    use farcall_core::Fate;
    use farcall_core::testkit::Watchdog;
    use farcall_core::wire::mailbox::{Arguments, Letter, News, Outcome, Slip};
    use farcall_core::wire::{Kind, decode_error};
    use std::time::Duration;

    /// A queue under the mailbox of a test, which goes with it.
    struct Beneath {
        url: String,
        queue: Queue,
    }

    impl Beneath {
        fn of(test: &str) -> Self {
            let url = format!("mailbox:/farcall-{test}-{}", std::process::id());
            let parsed = Url::parse(&url).unwrap();
            let queue = Queue::create(&name(&parsed).unwrap(), DEPTH, LETTER).unwrap();
            Beneath { url, queue }
        }
    }

    impl Drop for Beneath {
        fn drop(&mut self) {
            let _ = remove_mailbox(&self.url);
        }
    }

    #[test]
    fn garbage_does_not_block_a_mailbox() {
        let _dog = Watchdog::over("garbage", Duration::from_secs(30));
        let mailbox = Beneath::of("garbage");
        let letter = |service, method, arguments| {
            let (codec, deadline) = ("bincode", u64::MAX);
            Letter { reply_to: [9; 16], call: 1, deadline, fingerprint: 0, codec, service, method, arguments }
                .encode()
        };
        let whole = letter("Calculator", "add", Arguments::Here(&[255; 40]));
        let lost = letter("Calculator", "add", Arguments::File([1; 16], 3));
        let strange = letter("Nobody", "nothing", Arguments::Here(b""));
        for junk in [&b""[..], b"GET / HTTP/1.1", &[0; 4096], &whole[..40], &whole, &lost, &strange] {
            mailbox.queue.send(junk, 31).unwrap();
        }
        let server = farcall::serve(&*mailbox.url, CalculatorServer::new(Calc)).wait().unwrap();
        let calc: CalculatorClient = farcall::connect(&*mailbox.url).wait().unwrap();
        assert_eq!(calc.add(2, 3).wait().unwrap(), 5);
        drop(server);
    }

    #[test]
    fn a_call_in_another_codec_is_refused_in_words_before_it_is_made() {
        let _dog = Watchdog::over("codec", Duration::from_secs(30));
        let mailbox = Beneath::of("codec");
        let id = random_id().unwrap();
        let slips = post::Inbox::open(&id).unwrap();
        let (codec, service, method, arguments) = ("morse", "Calculator", "add", Arguments::Here(b"-."));
        let (call, deadline, fingerprint) = (7, u64::MAX, 0);
        let letter = Letter { reply_to: id, call, deadline, fingerprint, codec, service, method, arguments };
        mailbox.queue.send(&letter.encode(), 0).unwrap();
        let _server = farcall::serve(&*mailbox.url, CalculatorServer::new(Calc)).wait().unwrap();
        let mut buf = vec![0; post::LARGEST];
        let arrived = loop {
            match slips.receive(&mut buf).unwrap() {
                Some(arrived) => break arrived,
                None => std::thread::yield_now(),
            }
        };
        let slip = Slip::decode(&buf[..arrived.size]).unwrap();
        let News::Verdict { kind: Kind::Error, result: Outcome::Here(payload), .. } = slip.news else {
            panic!("{slip:?}");
        };
        let error = decode_error(payload).unwrap();
        assert_eq!((slip.call, error.code(), error.fate()), (7, Code::Unsupported, Fate::NotExecuted));
        assert!(error.to_string().contains("morse") && error.to_string().contains("?codec="), "{error}");
    }

    #[test]
    fn a_mailbox_that_others_may_open_is_refused() {
        let mailbox = Beneath::of("open");
        let open_to_all = rustix::fs::Mode::from_raw_mode(0o666);
        rustix::fs::fchmod(&**mailbox.queue.fd(), open_to_all).unwrap();
        let error = farcall::connect::<CalculatorClient>(&*mailbox.url).wait().unwrap_err();
        assert_eq!(error.code(), farcall::Code::PermissionDenied);
        assert!(error.to_string().contains("another name"), "{error}");
    }

    #[test]
    fn a_server_that_cannot_read_a_codec_does_not_begin() {
        let error =
            farcall::serve("mailbox:/farcall-no-codec?codec=morse", CalculatorServer::new(Calc)).wait();
        let error = error.err().unwrap();
        assert_eq!(error.code(), farcall::Code::InvalidConfig);
        assert!(error.to_string().contains("morse"), "{error}");
    }
}
