//! Events that handlers and tests wait for, whatever executor they run on.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Gates by number: who stands before one, whether it is open, how many have left it.
#[derive(Debug, Default)]
pub struct Gates(Mutex<HashMap<u64, Gate>>);

#[derive(Debug, Default)]
struct Gate {
    come: u64,
    left: u64,
    is_open: bool,
    wakers: Vec<Waker>,
}

/// Somebody who stands before a gate; the drop is the leaving.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    gates: &'a Gates,
    number: u64,
}

impl Gates {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Gate)) {
        let mut gates = self.lock();
        let gate = gates.entry(number).or_default();
        change(gate);
        let wakers = std::mem::take(&mut gate.wakers);
        drop(gates);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn until(&self, number: u64, done: impl Fn(&Gate) -> bool) {
        poll_fn(|cx| {
            let mut gates = self.lock();
            let gate = gates.entry(number).or_default();
            if done(gate) {
                return Poll::Ready(());
            }
            gate.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn stand(&self, number: u64) -> Standing<'_> {
        self.change(number, |gate| gate.come += 1);
        Standing { gates: self, number }
    }

    /// Opens a gate for good.
    pub fn open(&self, number: u64) {
        self.change(number, |gate| gate.is_open = true);
    }

    /// Waits until the gate is open.
    pub async fn opened(&self, number: u64) {
        self.until(number, |gate| gate.is_open).await;
    }

    /// Waits until so many have come to the gate.
    pub async fn come(&self, number: u64, many: u64) {
        self.until(number, |gate| gate.come >= many).await;
    }

    /// Waits until so many have left the gate.
    pub async fn left(&self, number: u64, many: u64) {
        self.until(number, |gate| gate.left >= many).await;
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.gates.change(self.number, |gate| gate.left += 1);
    }
}

/// A value that somebody puts and somebody else awaits.
#[derive(Debug)]
pub struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Slot(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot(Arc::new(Mutex::new((None, None))))
    }
}

impl<T> Slot<T> {
    /// Puts the value.
    pub fn put(&self, value: T) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(value);
        let waker = slot.1.take();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes the value once it is there.
    pub async fn take(&self) -> T {
        poll_fn(|cx| {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match slot.0.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    slot.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread without any runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
