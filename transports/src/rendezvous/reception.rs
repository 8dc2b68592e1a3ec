//! The listening side of a wire whose connections are agreed on at a rendezvous: whoever asks there is answered at once.

use std::io;
use std::path::{Path, PathBuf};

use farcall_core::transport::{Link, Listener, Readiness};
use farcall_core::{Code, Error, Fate};

use super::{Caller, Callers, Doors};
use crate::mark::Mark;
use crate::unix::{Claim, Place, occupy};
use crate::url::Url;

/// What a wire says to those who ask.
pub(crate) trait Answers: Send {
    /// Answers; `None`: no connection has come of it.
    fn answer(&self, caller: Caller) -> Option<Box<dyn Link>>;
}

/// See the module.
pub(crate) struct Reception<A> {
    /// Before the callers, so that the path is gone before the socket is.
    _claim: Option<Claim>,
    callers: Callers,
    answers: A,
    url: String,
}

/// Where a reception is.
pub(crate) struct Site {
    /// The socket's own address.
    pub(crate) address: String,
    /// The directory of the socket, or one for what is temporary.
    pub(crate) directory: PathBuf,
    /// Under which things have a name for a moment.
    pub(crate) mark: Mark,
}

impl<A: Answers> Reception<A> {
    /// Opens at a URL, and gives it out with these options.
    ///
    /// # Errors
    /// The place is taken or refused, or descriptors have run out.
    pub(crate) fn open(url: &Url, options: &str, answers: impl FnOnce(Site) -> A) -> Result<Self, Error> {
        let door = Doors::default().to_serve(url)?;
        let (claim, socket) = occupy(url, &door.place)?;
        let callers = Callers::new(socket, url.scheme()).map_err(|error| {
            let text = format!("{url}: waiting for connections is refused: {error}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
        })?;
        let directory = match &door.place {
            Place::Path(path) => path.parent().unwrap_or(Path::new("/")).to_owned(),
            Place::Abstract(_) => std::env::temp_dir(),
        };
        let mark = claim.as_ref().map_or_else(Mark::fresh, |claim| Ok(claim.mark().clone()));
        let mark = mark.map_err(|error| error.context(url))?;
        Ok(Reception {
            _claim: claim,
            callers,
            answers: answers(Site { address: door.place.text(), directory, mark }),
            url: format!("{}:{}{options}", url.scheme(), door.address),
        })
    }
}

impl<A: Answers> Listener for Reception<A> {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        loop {
            let caller = self.callers.next()?;
            if let Some(link) = self.answers.answer(caller) {
                return Ok(link);
            }
        }
    }

    fn readiness(&self) -> Readiness {
        self.callers.readiness()
    }

    fn local_url(&self) -> String {
        self.url.clone()
    }
}
