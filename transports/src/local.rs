//! `local:NAME` and `local:/path`: shared memory where both sides can, else the socket at which they meet as a stream.

use farcall_core::transport::{Framed, Link, Listener};
use farcall_core::wire::rendezvous::{Answer, Wish};
use farcall_core::{Code, Error};

use crate::query::Query;
use crate::rendezvous::Granted;
use crate::scheme::Scheme;
use crate::shm::{Terms, adopt, ask, is_possible, listen};
use crate::unix::UnixStream;
use crate::url::Url;

pub(crate) struct Local;

impl Scheme for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let terms = Terms::of(url, query)?;
        query.finish()?;
        if !is_possible() {
            return Ok(stream(ask(url, &terms, Wish::Stream)?, None));
        }
        let granted = ask(url, &terms, Wish::MemoryOrStream)?;
        if granted.grant.answer == Answer::Stream {
            return Ok(stream(granted, None));
        }
        match adopt(granted, terms.transport()) {
            Ok(link) => Ok(Box::new(link)),
            // It was granted here and cannot be used here: whoever grants it does not know.
            Err(error) if error.code() == Code::ResourceExhausted => {
                Ok(stream(ask(url, &terms, Wish::Stream)?, Some(error.to_string())))
            }
            Err(error) => Err(error.context(url)),
        }
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let terms = Terms::of(url, query)?;
        query.finish()?;
        listen(url, terms, true)
    }

    fn may_block(&self, _url: &Url) -> bool {
        true
    }
}

/// The socket as a stream; `why` if this side knows better than the other.
fn stream(granted: Granted, why: Option<String>) -> Box<dyn Link> {
    let Granted { socket, grant, who, process, address, .. } = granted;
    let reason = why.unwrap_or(grant.reason);
    Box::new(Framed::connecting(UnixStream::met(socket, who, address, process, reason)))
}
