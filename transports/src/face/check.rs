//! Whether what was connected or is to be served fits: shapes with the peer, needs with the wire.

use std::sync::Arc;
use std::task::Poll;

use farcall_core::client::{Attach, ClientCore};
use farcall_core::driver::Driver;
use farcall_core::limits::HANDSHAKE;
use farcall_core::transport::Listener;
use farcall_core::{Code, Error, Fate, Service, fits};

use crate::{Url, wait};

/// When the methods of a service are compared with the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Check {
    /// When they are called.
    #[default]
    Lazy,
    /// When it is connected.
    Strict,
}

/// What a client of the peer's service waits for before it is given away.
pub(super) struct Agreement<'c> {
    client: &'c ClientCore,
    url: &'c Url,
}

impl<'c> Agreement<'c> {
    /// `None`: nothing is to be compared.
    pub(super) fn wanted<C: Attach>(client: &'c C, url: &'c Url) -> Option<Self> {
        let client = client.__client()?;
        client.driver().session().expect_answers(wait::now() + HANDSHAKE);
        Some(Agreement { client, url })
    }

    fn driver(&self) -> &'c Arc<Driver> {
        self.client.driver()
    }

    /// Blocks until the peer has answered.
    pub(super) fn wait(&self) -> Result<(), Error> {
        let driver = self.driver();
        let mut answer = None;
        let until = wait::now() + HANDSHAKE + HANDSHAKE;
        driver.host().block(&mut || {
            driver.flush();
            answer = driver
                .wait_for(until, None, true, |session, waker| session.answered(self.client.object(), waker));
        })?;
        let silent = || Err(Error::new(Code::Unavailable, Fate::NotSent, "the peer does not answer"));
        self.judge(answer.unwrap_or_else(silent))
    }

    /// Resolves when the peer has answered.
    pub(super) async fn reached(&self) -> Result<(), Error> {
        let driver = self.driver();
        driver.flush();
        driver.rearm();
        let answer = std::future::poll_fn(|cx| {
            if let Some(answer) = driver.session().answered(self.client.object(), cx.waker()) {
                return Poll::Ready(answer);
            }
            match driver.host().attend(driver) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        });
        self.judge(answer.await)
    }

    fn judge(&self, answer: Result<farcall_core::wire::Opened, Error>) -> Result<(), Error> {
        if self.driver().capabilities().survives_peer {
            let text = "check=strict: a mailbox has no server to ask; each call is compared when it is taken";
            return Err(Error::config(format!("{}: {text}", self.url)));
        }
        let verdict = answer.and_then(|opened| self.client.check(&opened));
        verdict.map_err(|error| refused(self.url, error))
    }
}

/// Whether the wire of a listener carries these services.
///
/// # Errors
/// `Unsupported`, naming the method and the wire.
pub(super) fn servable(services: &[Arc<dyn Service>], listener: &dyn Listener) -> Result<(), Error> {
    let url = listener.local_url();
    for service in services {
        fits(service.descriptor(), service.__shapes(), listener.capabilities(), &url)?;
    }
    Ok(())
}

/// A failure before the first call, with the URL in front unless the link has put it there.
pub(super) fn refused(url: &Url, error: Error) -> Error {
    let error = error.with_fate(Fate::NotSent);
    if error.to_string().contains(&url.to_string()) { error } else { error.context(url) }
}
