//! A host for drivers that are turned by hand: it lends nothing but a clock, which the test sets.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::driver::{Driver, Host, Sleeper, Task};
use crate::error::{Code, Error, Fate};
use crate::time::Time;

/// See the module.
#[derive(Debug, Default)]
pub struct Clockwork(AtomicU64);

impl Clockwork {
    /// It is now so late.
    pub fn set(&self, now: Time) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }
}

fn no_threads() -> Error {
    Error::new(Code::Unsupported, Fate::NotSent, "no threads here")
}

impl Host for Clockwork {
    fn processors(&self, _: Option<u32>) -> Option<usize> {
        Some(2)
    }

    fn begin_pause(&self, room: usize) -> bool {
        room > 0
    }

    fn end_pause(&self) {}

    fn now(&self) -> Time {
        Time::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn block(&self, wait: &mut dyn FnMut()) -> Result<(), Error> {
        wait();
        Ok(())
    }

    fn sleeper(&self) -> io::Result<Arc<dyn Sleeper>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn attend(&self, _: &Arc<Driver>) -> Result<(), Error> {
        Ok(())
    }

    fn spawn(&self, _: Task) {}

    fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), Error> {
        Err(no_threads())
    }

    fn report(&self, text: &str) {
        panic!("reported: {text}");
    }

    fn call_back(&self, _: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), Error> {
        Err(no_threads())
    }
}
