//! One connection being made: options settled, link opened, hello said.

use std::sync::Arc;
use std::task::Poll;

use farcall_core::client::Connection;
use farcall_core::driver::{self, Driver, Parts};
use farcall_core::limits::{DEFAULT_WORKERS, HANDSHAKE};
use farcall_core::proto::{Machine, Role};
use farcall_core::server::{Load, Router};
use farcall_core::session::Session;
use farcall_core::transport::Link;
use farcall_core::{Code, Error, Fate, Gone, Service, offer};

use super::address::Address;
use super::check::{Check, refused};
use super::options::{Options, Restart};
use crate::wait::{self, Home, Local, Workers};
use crate::{Query, Url, registry};

/// Where to connect and how; may be used again.
#[derive(Clone)]
pub(super) struct Dial {
    address: Address,
    /// What the program says.
    code: Options,
    offers: Vec<Arc<dyn Service>>,
    copies: Option<u16>,
    restart: Option<Restart>,
    check: Check,
}

/// What is settled before the link is made.
struct Plan {
    url: Url,
    options: Options,
    offers: Vec<Arc<dyn Service>>,
    /// Whether a runtime reads for this side all the time.
    attended: bool,
}

impl Dial {
    /// # Errors
    /// `InvalidConfig` for a wrong option.
    pub(super) fn new(address: Address, code: Options, offers: Vec<Arc<dyn Service>>) -> Result<Self, Error> {
        let (Options { copies, restart, check, .. }, _) = address.for_client(code)?;
        Ok(Dial { address, code, offers, copies, restart, check: check.unwrap_or_default() })
    }

    /// Whether its URL asks for a pool.
    pub(super) fn is_pool(&self) -> bool {
        self.copies.is_some() || self.restart.is_some()
    }

    /// Its URL, if the peer's shapes are to be compared when it is connected.
    pub(super) fn strict(&self) -> Option<Url> {
        (self.check == Check::Strict).then(|| self.address.url.clone())
    }

    /// What to do when the connection of a pool ends.
    pub(super) fn restart(&self) -> Restart {
        self.restart.unwrap_or_default()
    }

    /// As often as its URL asks for it.
    pub(super) fn multiplied(self) -> Vec<Dial> {
        vec![self.clone(); self.copies.unwrap_or(1).into()]
    }

    fn plan(&self, attended: bool) -> Result<(Plan, Query), Error> {
        let (options, query) = self.address.for_client(self.code)?;
        let plan = Plan { url: self.address.url.clone(), options, offers: self.offers.clone(), attended };
        Ok((plan, query))
    }

    /// Connects and blocks until the peer has said hello.
    ///
    /// # Errors
    /// Why there is no connection; nothing was called.
    pub(super) fn wait(&self) -> Result<Connection, Error> {
        let (plan, query) = self.plan(false)?;
        plan.wait(query).map_err(|error| self.address.explain(error))
    }

    /// Connects on the current runtime; where none is, by the helper thread.
    ///
    /// # Errors
    /// Why there is no connection; nothing was called.
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        let (plan, query) = self.plan(true)?;
        plan.connect(query).await.map_err(|error| self.address.explain(error))
    }
}

impl Plan {
    fn link(&self, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        registry::connect(&self.url, query)
    }

    fn driver(&self, link: Box<dyn Link>, home: Home) -> Result<Arc<Driver>, Error> {
        let capabilities = link.capabilities();
        for service in &self.offers {
            offer(service.descriptor(), capabilities, &self.url.to_string())?;
        }
        let config = self.options.config(Role::Connecting, self.attended, capabilities.needs_ping);
        let mut machine = Machine::new(config, wait::now());
        if capabilities.survives_peer {
            // There is no peer at the other end, but a link that plays its part.
            machine.believe_link();
        }
        // A client without services still answers an `Open`, in words.
        let router = Router::new(self.offers.clone().into(), Load::default(), self.options.decode_budget);
        let dispatch = if self.attended { driver::Home::Attendants } else { driver::Home::Anyone };
        Ok(Driver::new(Parts {
            session: Session::new(machine),
            link,
            host: Local::host(home),
            server: Some(Arc::new(router)),
            home: dispatch,
            waiting: self.options.waiting.unwrap_or_default(),
            url: self.url.to_string(),
        }))
    }

    fn finish(&self, driver: Arc<Driver>, ready: Option<Result<(), Error>>) -> Result<Connection, Error> {
        match ready {
            Some(Ok(())) => Connection::owning(driver, self.options.policy()),
            Some(Err(error)) if error.code() != Code::PeerGone(Gone::ReadStall) => {
                Err(refused(&self.url, error))
            }
            // The machine and this side have the same patience.
            Some(Err(_)) | None => {
                driver.close_now("the peer did not say hello");
                let text = format!(
                    "{}: no answer within {HANDSHAKE:?}; is a Farcall server running there?",
                    self.url
                );
                Err(Error::new(Code::Unavailable, Fate::NotSent, text))
            }
        }
    }

    fn wait(&self, mut query: Query) -> Result<Connection, Error> {
        let link = if registry::may_block(&self.url) {
            wait::blocking(|| self.link(&mut query))?
        } else {
            self.link(&mut query)?
        };
        let driver = self.driver(link, Home::Client(Workers::new(DEFAULT_WORKERS)))?;
        let mut ready = None;
        let until = wait::now() + HANDSHAKE;
        let host = Arc::clone(driver.host());
        host.block(&mut || {
            driver.flush();
            ready = driver.wait_for(until, None, true, |session, waker| session.ready(waker));
        })?;
        self.finish(driver, ready)
    }

    async fn connect(&self, mut query: Query) -> Result<Connection, Error> {
        let link = if registry::may_block(&self.url) {
            let url = self.url.clone();
            wait::unblock(move || registry::connect(&url, &mut query)).await?
        } else {
            self.link(&mut query)?
        };
        let driver = self.driver(link, home())?;
        let guard = Unfinished(Some(Arc::clone(&driver)));
        let ready = say_hello(&driver).await;
        drop(guard.disarm());
        self.finish(driver, Some(ready))
    }
}

/// Where the handlers of a connection live that was made by the current task.
fn home() -> Home {
    #[cfg(feature = "tokio")]
    if let Some(runtime) = wait::Runtime::current() {
        return Home::Runtime(runtime);
    }
    Home::Client(Workers::new(DEFAULT_WORKERS))
}

/// Ends a connection whose making was given up.
struct Unfinished(Option<Arc<Driver>>);

impl Unfinished {
    fn disarm(mut self) -> Option<Arc<Driver>> {
        self.0.take()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.close_now("the connection was given up before the peer had said hello");
        }
    }
}

/// Waits for the peer's hello. The machine itself gives up after 5 s.
async fn say_hello(driver: &Arc<Driver>) -> Result<(), Error> {
    driver.host().attend(driver)?;
    driver.flush();
    std::future::poll_fn(|cx| {
        if let Some(ready) = driver.session().ready(cx.waker()) {
            return Poll::Ready(ready);
        }
        match driver.host().attend(driver) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    })
    .await
}
