//! One client side and one server side, and how a case runs between them.

use std::error::Error as StdError;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use farcall_core::client::Attach;

use super::gates::{Slot, block_on};
use super::subject::{OtherServer, Subject, TestedServer};
use super::{Meeting, Style, Watchdog};
use crate::{Call, Connect, Connection, Error, Server};

/// Time that a case may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The largest message that both sides of a pair take, in bytes.
pub(super) const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// What a case comes to.
pub type Outcome = Result<(), Box<dyn StdError>>;

/// The client's side of a case, with its server on the other.
#[derive(Debug)]
pub struct Pair {
    style: Style,
    url: String,
    is_single: bool,
}

impl Pair {
    /// A connection to the server, of which there is only one where [`is_single`](Self::is_single).
    ///
    /// # Errors
    /// As [`Connect::wait`].
    pub async fn connect<C: Attach + Send + 'static>(&self) -> Result<C, Error> {
        self.connect_with(|connect| connect).await
    }

    /// The same, set up by `set_up`.
    ///
    /// # Errors
    /// As [`Connect::wait`].
    pub async fn connect_with<C: Attach + Send + 'static>(
        &self,
        set_up: impl FnOnce(Connect<C>) -> Connect<C>,
    ) -> Result<C, Error> {
        let connect = set_up(crate::connect(self.url.as_str()).max_message(MAX_MESSAGE));
        match self.style {
            Style::Blocking => connect.wait(),
            Style::Async => connect.into_future().await,
        }
    }

    /// Waits for a call in this side's style.
    ///
    /// # Errors
    /// The call's own.
    pub async fn get<T, E: From<Error>>(&self, call: Call<T, E>) -> Result<T, E> {
        match self.style {
            Style::Blocking => call.wait(),
            Style::Async => call.await,
        }
    }

    /// Closes a connection in this side's style.
    ///
    /// # Errors
    /// As [`Connection::close`].
    pub async fn close(&self, connection: &Connection) -> Result<(), Error> {
        match self.style {
            Style::Blocking => connection.close().wait(),
            Style::Async => connection.close().await,
        }
    }

    /// Gives way to others.
    pub async fn give_way(&self) {
        match self.style {
            Style::Blocking => std::thread::yield_now(),
            Style::Async => tokio::task::yield_now().await,
        }
    }

    /// Whether the wire carries a single connection.
    pub fn is_single(&self) -> bool {
        self.is_single
    }
}

/// Runs one case between a client and a server of these styles.
///
/// # Panics
/// The case fails.
pub fn run(
    name: &str,
    (client, server): (Style, Style),
    meeting: impl Fn(Style) -> Result<Meeting, Error>,
    case: impl AsyncFnOnce(&Pair) -> Outcome,
) {
    let _watchdog = Watchdog::over(name, LIMIT);
    let Meeting { serve, connect, is_single, keep } = meeting(server).expect("the meeting point can be made");
    let served = serve.map(|url| Served::start(url, server));
    let url = connect.or_else(|| served.as_ref().map(|served| served.url.clone()));
    let pair = Pair { style: client, url: url.expect("a meeting has an address"), is_single };
    let outcome = match client {
        Style::Blocking => block_on(case(&pair)),
        Style::Async => runtime().block_on(case(&pair)),
    };
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    drop(served);
    drop(keep);
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a test can have a runtime")
}

/// A server in this process, on a thread that keeps it.
struct Served {
    url: String,
    end: Slot<Duration>,
    keeper: Option<JoinHandle<Result<(), Error>>>,
}

impl Served {
    fn start(url: String, style: Style) -> Self {
        let (started, hears) = channel();
        let subject = Subject::default();
        let end = subject.end();
        let keep = move || keep(&url, style, &subject, |url| drop(started.send(url.to_owned())));
        let keeper = std::thread::spawn(keep);
        match hears.recv() {
            Ok(url) => Served { url, end, keeper: Some(keeper) },
            Err(_) => panic!("the server does not start: {:?}", keeper.join()),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end.put(Duration::ZERO);
        let kept = self.keeper.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(kept, Some(Ok(Ok(())))), "the server ended badly: {kept:?}");
        }
    }
}

/// Serves the suite's services at `url` until the server ends or is asked to: for a process that a meeting
/// [`elsewhere`](Meeting::elsewhere) starts.
///
/// # Errors
/// As [`Server::wait`].
pub fn host(url: &str, style: Style) -> Result<(), Error> {
    let _watchdog = Watchdog::over(url, LIMIT);
    keep(url, style, &Subject::default(), |_| ())
}

fn keep(url: &str, style: Style, subject: &Subject, started: impl FnOnce(&str)) -> Result<(), Error> {
    let server = Server::new()
        .add(TestedServer::new(subject.clone()))
        .add(OtherServer::new(subject.clone()))
        .max_message(MAX_MESSAGE)
        .listen(url);
    match style {
        Style::Blocking => {
            let handle = server.wait()?;
            started(handle.url());
            match block_on(over_or(handle.join(), &subject.end())) {
                Some(grace) => handle.shutdown(grace).wait(),
                None => Ok(()),
            }
        }
        Style::Async => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a test can have a runtime").block_on(async {
                let handle = server.await?;
                started(handle.url());
                match over_or(handle.join(), &subject.end()).await {
                    Some(grace) => handle.shutdown(grace).await,
                    None => Ok(()),
                }
            })
        }
    }
}

/// `Some` of the grace if a shutdown is asked for before the server is over.
async fn over_or(join: crate::Join, end: &Slot<Duration>) -> Option<Duration> {
    let (mut join, mut end) = (pin!(join), pin!(end.take()));
    poll_fn(|cx| match join.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => end.as_mut().poll(cx).map(Some),
    })
    .await
}
