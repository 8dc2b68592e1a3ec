//! A handler that returned pending, as something that any executor can run.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A handler and its call, in a box that is used again.
pub trait Job: Send {
    /// Polls the handler; ready once its verdict is given.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Puts the box back to where the next call of this method finds it.
    fn recycle(self: Box<Self>);
}

/// A future that runs a [`Job`] and recycles it at its end. Dropped before, it ends the call as stopped.
pub struct Task(Option<Box<dyn Job>>);

impl Task {
    /// A task of this job.
    pub fn new(job: Box<dyn Job>) -> Self {
        Task(Some(job))
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").finish()
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(job) = &mut self.0 else { return Poll::Ready(()) };
        if job.poll(cx).is_pending() {
            return Poll::Pending;
        }
        if let Some(job) = self.0.take() {
            job.recycle();
        }
        Poll::Ready(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job.recycle();
        }
    }
}
