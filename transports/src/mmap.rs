//! `mmap:/path`: the rings of `shm:` in a mapped file, which stands without a name in the directory of the path.
//!
//! The file is allocated in full before it is mapped, and both sides let go of its descriptor once they have mapped it.
//! Still a program that has kept it can cut it short, which no kernel prevents for a file and which ends both programs.
//! So the wire is for programs that trust each other: both sides write `?trust=trusted`.

use farcall_core::Error;
use farcall_core::transport::{Link, Listener};
use farcall_core::wire::rendezvous::Wish;

use crate::query::Query;
use crate::scheme::Scheme;
use crate::shm::{Terms, adopt, ask, listen};
use crate::url::Url;

pub(crate) struct Mmap;

impl Scheme for Mmap {
    fn name(&self) -> &'static str {
        "mmap"
    }

    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        let terms = Terms::of_file(url, query)?;
        query.finish()?;
        let granted = ask(url, &terms, Wish::Memory)?;
        Ok(Box::new(adopt(granted, terms.transport()).map_err(|error| error.context(url))?))
    }

    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        let terms = Terms::of_file(url, query)?;
        query.finish()?;
        listen(url, terms, false)
    }

    fn may_block(&self, _url: &Url) -> bool {
        true
    }
}
