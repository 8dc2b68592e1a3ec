//! Where to connect or to listen: a URL as it was given, or one of those that a bare name leads to.

#[cfg(feature = "config")]
use std::sync::Arc;

use farcall_core::Error;

use super::options::Options;
#[cfg(feature = "config")]
use crate::config::{self, Named};
use crate::{Query, Url};

/// One URL, and what stands outside the program about it.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) url: Url,
    #[cfg(feature = "config")]
    named: Option<Arc<Named>>,
}

/// The URL that `text` is, or those that it leads to, in order. Configuration is read now.
///
/// # Errors
/// `InvalidConfig` for a wrong URL or a name without one, `PermissionDenied` for a file that others may have written.
pub(super) fn addresses(text: &str) -> Result<Vec<Address>, Error> {
    #[cfg(feature = "config")]
    if config::is_name(text) {
        let named = Arc::new(config::resolve(text)?);
        let one = |url: &String| {
            let url = Url::parse(url).map_err(|error| error.context(&named.place))?;
            Ok(Address { url, named: Some(Arc::clone(&named)) })
        };
        return named.urls.iter().map(one).collect();
    }
    Ok(vec![Address {
        url: Url::parse(text)?,
        #[cfg(feature = "config")]
        named: None,
    }])
}

/// Whether [`addresses`] reads a file for `text`.
pub(super) fn reads_a_file(text: &str) -> bool {
    #[cfg(feature = "config")]
    return config::is_name(text);
    #[cfg(not(feature = "config"))]
    {
        let _ = text;
        false
    }
}

/// The same as [`addresses`], for a task, which must not wait for a disk.
///
/// # Errors
/// As [`addresses`].
pub(super) async fn find(text: &str) -> Result<Vec<Address>, Error> {
    if reads_a_file(text) {
        let text = text.to_owned();
        return crate::wait::unblock(move || addresses(&text)).await;
    }
    addresses(text)
}

impl Address {
    /// A connecting side's options, of which `code` is what the program says, and those that are the wire's.
    ///
    /// # Errors
    /// `InvalidConfig` for a value that is none, lies outside its range, or loosens from outside what the program allows.
    pub(super) fn for_client(&self, code: Options) -> Result<(Options, Query), Error> {
        self.options(code, Options::for_client)
    }

    /// The same for a listening side.
    ///
    /// # Errors
    /// As [`for_client`](Self::for_client).
    pub(super) fn for_server(&self, code: Options) -> Result<(Options, Query), Error> {
        self.options(code, Options::for_server)
    }

    fn options(
        &self,
        code: Options,
        read: impl Fn(Options, &mut Query) -> Result<Options, Error>,
    ) -> Result<(Options, Query), Error> {
        let mut query = self.url.query();
        #[cfg(feature = "config")]
        if let Some(named) = &self.named {
            let options = code.under(named)?;
            let read = read(options, &mut query).map_err(|error| error.context(&named.place))?;
            read.loosens(&code).map_or(Ok(()), |what| Err(self.explain(self.url.refuse(what))))?;
            return Ok((read, query));
        }
        Ok((read(code, &mut query)?, query))
    }

    /// An error about this address, with the place where its URL stands in front.
    pub(super) fn explain(&self, error: Error) -> Error {
        #[cfg(feature = "config")]
        if let Some(named) = &self.named {
            return error.context(&named.place);
        }
        error
    }
}
