//! Futures of handlers in boxes that are used again: a ready handler allocates nothing, a pending one keeps its box.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::driver::{Job, Task};
use crate::proto::Stage;
use crate::server::load::Load;
use crate::server::run::{Encoded, Refusal, Run, panicked};

/// Boxes that one method keeps.
const KEPT: usize = 64;

/// The boxes of one method, whatever its future's type.
#[derive(Debug, Default)]
pub(super) struct Pools(OnceLock<Arc<dyn Any + Send + Sync>>);

#[expect(clippy::vec_box, reason = "the boxes themselves are what is kept: they go out as tasks")]
struct Pool<F>(Mutex<Vec<Box<Held<F>>>>);

/// A place for one future, and the call that it serves.
struct Held<F> {
    future: Pin<Box<Option<F>>>,
    run: Option<Run>,
    /// Where the box goes at the end, once it has left.
    home: Option<Arc<Pool<F>>>,
}

impl Pools {
    /// Polls the handler once, in place. A pending one goes on elsewhere.
    pub(super) fn run<F>(&self, future: F, run: Run, load: &Load)
    where
        F: Future<Output = Result<Encoded, Refusal>> + Send + 'static,
    {
        let shared = self.0.get_or_init(|| Arc::new(Pool::<F>(Mutex::default())));
        let pool: &Pool<F> = shared.downcast_ref().expect("a method has one future type");
        let mut held = pool.take();
        held.future.as_mut().set(Some(future));
        held.run = Some(run);
        match held.step(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(()) => pool.give(held),
            Poll::Pending => {
                held.home = Arc::clone(shared).downcast().ok();
                if let Some(run) = &mut held.run {
                    run.leave(load);
                    let host = Arc::clone(run.driver().host());
                    host.spawn(Task::new(held));
                }
            }
        }
    }
}

impl<F> Pool<F> {
    fn take(&self) -> Box<Held<F>> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Box::new(Held { future: Box::pin(None), run: None, home: None }))
    }

    fn give(&self, held: Box<Held<F>>) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < KEPT {
            spare.push(held);
        }
    }
}

impl<F: Future<Output = Result<Encoded, Refusal>> + Send + 'static> Held<F> {
    /// Polls the handler and, if it has come to its end, gives the verdict.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(run) = &mut self.run else { return Poll::Ready(()) };
        let entered = run.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| match self.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(panicked(&*panic)),
        };
        empty(&mut self.future);
        drop(entered);
        if let Some(run) = self.run.take() {
            run.end(result);
        }
        Poll::Ready(())
    }
}

/// Drops the future; its own `Drop` may panic too.
fn empty<F>(future: &mut Pin<Box<Option<F>>>) {
    let emptied = catch_unwind(AssertUnwindSafe(|| future.as_mut().set(None)));
    if emptied.is_err() {
        *future = Box::pin(None);
    }
}

impl<F: Future<Output = Result<Encoded, Refusal>> + Send + 'static> Job for Held<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(run) = &self.run else { return Poll::Ready(()) };
        let wanted = matches!(run.watch(cx.waker()), Some(Stage::Running));
        if !wanted {
            return Poll::Ready(());
        }
        let driver = Arc::clone(run.driver());
        let polled = self.step(cx);
        if polled.is_ready() {
            driver.flush_soon();
        }
        polled
    }

    fn recycle(mut self: Box<Self>) {
        let entered = self.run.as_mut().map(Run::enter);
        empty(&mut self.future);
        drop(entered);
        // A call that has no verdict yet was dropped before its end; `Run` says so.
        drop(self.run.take());
        if let Some(home) = self.home.take() {
            home.give(self);
        }
    }
}
