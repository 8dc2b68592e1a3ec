//! A listener, as a runtime watches it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use farcall_core::transport::Readiness;
use tokio::io::Interest as Direction;
use tokio::io::unix::AsyncFd;

use crate::wait::runtime::{Fd, watch};

/// Watches a listener on a runtime.
pub(crate) enum ListenerWatch {
    Fd(AsyncFd<Fd>),
    Event(Arc<farcall_core::transport::Event>, Option<(usize, Waker)>),
}

impl ListenerWatch {
    pub(crate) fn new(readiness: &Readiness) -> std::io::Result<Self> {
        Ok(match readiness {
            Readiness::Fd { read, .. } | Readiness::Bell(read) => {
                ListenerWatch::Fd(watch(read, Direction::READABLE)?)
            }
            Readiness::Event(event) => ListenerWatch::Event(Arc::clone(event), None),
        })
    }

    /// The listener has nothing now: is there news since? If not, the task is woken with them.
    pub(crate) fn poll_again(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            ListenerWatch::Fd(fd) => match fd.poll_read_ready(cx) {
                Poll::Ready(Ok(mut guard)) => {
                    guard.clear_ready();
                    true
                }
                _ => false,
            },
            ListenerWatch::Event(event, ticket) => {
                if ticket.as_ref().is_some_and(|(_, known)| known.will_wake(cx.waker())) {
                    return false;
                }
                let fresh = event.subscribe(cx.waker().clone());
                if let Some((before, _)) = ticket.replace((fresh, cx.waker().clone())) {
                    event.unsubscribe(before);
                }
                true
            }
        }
    }
}

impl Drop for ListenerWatch {
    fn drop(&mut self) {
        if let ListenerWatch::Event(event, Some((ticket, _))) = self {
            event.unsubscribe(*ticket);
        }
    }
}
