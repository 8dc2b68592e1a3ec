//! A server on a tokio runtime: a task for each listener, a task for each connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use farcall_core::limits::ACCEPT_BACKOFF;
use farcall_core::{Code, Error, Fate};

use super::handle::{Engine, ServerHandle};
use super::hosting::Hosting;
use super::opened::{Door, Opened};
use crate::wait::{Home, ListenerWatch, Local, Pause, Runtime};

/// Links accepted before others get their turn.
const ACCEPTS: usize = 16;

/// Starts the server on this runtime.
pub(super) fn start(opened: Opened, runtime: &Runtime) -> Result<ServerHandle, Error> {
    let Opened { doors, hosting, urls, .. } = opened;
    for (door, url) in doors.into_iter().zip(&urls) {
        let watch = ListenerWatch::new(&door.listener.readiness()).map_err(|error| {
            let text = format!("{url}: the runtime cannot wait on the listener: {error}");
            Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
        })?;
        runtime.spawn(AcceptTask {
            hosting: Arc::clone(&hosting),
            runtime: runtime.clone(),
            url: url.clone(),
            door: Some(door),
            watch,
            pause: ACCEPT_BACKOFF.0,
            rest: None,
        });
    }
    Ok(ServerHandle::new(hosting, urls, Engine::Runtime))
}

/// Accepts at one listener until the server closes its doors.
struct AcceptTask {
    hosting: Arc<Hosting>,
    runtime: Runtime,
    url: String,
    door: Option<Door>,
    watch: ListenerWatch,
    pause: std::time::Duration,
    /// A pause after descriptors or memory have run out.
    rest: Option<Pause>,
}

impl AcceptTask {
    /// Accepts what is there. `Ready`: the door has done its work.
    fn accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(door) = &mut self.door else { return Poll::Ready(()) };
        for _ in 0..ACCEPTS {
            match door.listener.accept() {
                Ok(link) => {
                    self.pause = ACCEPT_BACKOFF.0;
                    let host = Local::host(Home::Runtime(self.runtime.clone()));
                    if let Some(driver) = self.hosting.welcome(link, &door.options, &self.url, host)
                        && let Err(error) = self.runtime.attend(&driver)
                    {
                        driver.end(&error);
                    }
                    if door.listener.is_single() {
                        return Poll::Ready(());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.pause = ACCEPT_BACKOFF.0;
                    if self.watch.poll_again(cx) {
                        continue;
                    }
                    return Poll::Pending;
                }
                Err(_) => {
                    // Without a clock there is no pause, only the turn of others.
                    self.rest = Pause::new(&self.runtime, self.pause).ok();
                    self.pause = (self.pause * 2).min(ACCEPT_BACKOFF.1);
                    break;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Future for AcceptTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.hosting.is_closing(cx.waker()) {
            return Poll::Ready(());
        }
        if let Some(rest) = &mut self.rest {
            if rest.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.rest = None;
        }
        self.accept(cx)
    }
}

impl Drop for AcceptTask {
    fn drop(&mut self) {
        // The door closes before its server hears of it.
        drop(self.door.take());
        self.hosting.door_closed();
    }
}
