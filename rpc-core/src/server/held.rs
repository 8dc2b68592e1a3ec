//! Futures of handlers in boxes that are used again: a ready handler allocates nothing, a pending one keeps its box.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::driver::{InPlace, Job, Task};
use crate::proto::Stage;
use crate::server::load::Load;
use crate::server::run::{Encoded, Refusal, Run, panicked};

/// Boxes that one method keeps.
const KEPT: usize = 64;

/// Boxes that one thread keeps, of all methods.
const KEPT_HERE: usize = 16;

thread_local! {
    /// Boxes whose handlers were ready at once, each with the number of its method's [`Pools`]: to take one of these needs no
    /// lock.
    static HERE: RefCell<Vec<(u64, Box<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// The boxes of one method, whatever its future's type.
#[derive(Debug)]
pub(super) struct Pools {
    number: u64,
    shared: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Default for Pools {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Pools { number: NEXT.fetch_add(1, Ordering::Relaxed), shared: OnceLock::new() }
    }
}

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
    #[inline(always)]
    pub(super) fn run<F>(&self, future: F, run: Run, load: &Load, place: &mut InPlace)
    where
        F: Future<Output = Result<Encoded, Refusal>> + Send + 'static,
    {
        let mut held = self.take_here().unwrap_or_else(|| self.pool::<F>().take());
        held.future.as_mut().set(Some(future));
        held.run = Some(run);
        match held.step(&mut Context::from_waker(Waker::noop()), Some(place)) {
            Poll::Ready(()) => self.give_here(held),
            Poll::Pending => {
                held.home = Some(self.pool());
                if let Some(run) = &mut held.run {
                    run.leave(load);
                    let host = Arc::clone(run.driver().host());
                    host.spawn(Task::new(held));
                }
            }
        }
    }

    fn pool<F: Send + 'static>(&self) -> Arc<Pool<F>> {
        let shared = self.shared.get_or_init(|| Arc::new(Pool::<F>(Mutex::default())));
        Arc::clone(shared).downcast().expect("a method has one future type")
    }

    #[inline(always)]
    fn take_here<F: 'static>(&self) -> Option<Box<Held<F>>> {
        let spare = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            let at = here.iter().rposition(|(number, _)| *number == self.number)?;
            Some(here.swap_remove(at).1)
        });
        spare.ok()??.downcast().ok()
    }

    #[inline(always)]
    fn give_here<F: Send + 'static>(&self, held: Box<Held<F>>) {
        let mut held = Some(held);
        let _ = HERE.try_with(|here| {
            let mut here = here.borrow_mut();
            if here.len() < KEPT_HERE
                && let Some(held) = held.take()
            {
                here.push((self.number, held));
            }
        });
        if let Some(held) = held {
            self.pool().give(held);
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
    /// Polls the handler and, if it has come to its end, gives the verdict; or leaves it to who has given the place.
    fn step(&mut self, cx: &mut Context<'_>, place: Option<&mut InPlace>) -> Poll<()> {
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
        match (self.run.take(), place) {
            (Some(run), Some(place)) => run.end_in(place, result),
            (Some(run), None) => run.end(result),
            (None, _) => {}
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
        let polled = self.step(cx, None);
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
