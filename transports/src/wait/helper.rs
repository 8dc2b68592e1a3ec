//! The process's one helper thread: it attends connections for `.await` outside a runtime and runs callbacks. It is
//! started when it is first needed and ends when it has nothing to do.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use farcall_core::driver::{Driver, Task};
use farcall_core::{Code, Error, Fate};

use super::errands::{Errand, Lifetime};
use super::thread::{Acquaintance, Reactor};

/// Its descriptors are its own, so that they end with it.
static HELPER: Mutex<Option<Acquaintance>> = Mutex::new(None);

/// Gives the helper thread an errand, and starts it if need be.
///
/// # Errors
/// `ResourceExhausted`: it cannot be started.
fn give(mut errand: Errand) -> Result<(), Error> {
    let mut helper = HELPER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = helper.as_ref().and_then(Acquaintance::meet) {
        match running.give(errand) {
            Ok(()) => return Ok(()),
            Err(back) => errand = back,
        }
    }
    let started = Reactor::start("farcall-helper".into(), Lifetime::WhileBusy, errand).map_err(|error| {
        let text = format!("the helper thread cannot be started: {error}");
        Error::new(Code::ResourceExhausted, Fate::NotSent, text).with_source(error)
    })?;
    *helper = Some(Acquaintance::of(&started));
    Ok(())
}

/// Makes sure that the helper thread attends this driver.
pub(super) fn attend(driver: &Arc<Driver>) -> Result<(), Error> {
    let helper = HELPER.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Acquaintance::meet);
    if helper.is_some_and(|helper| driver.is_attended_at(helper.place())) {
        return Ok(());
    }
    give(Errand::Adopt(Arc::clone(driver)))
}

/// Runs a handler on the helper thread.
pub(super) fn spawn(task: Task) -> Result<(), Error> {
    give(Errand::Handler(task))
}

/// Runs a callback's future on the helper thread.
pub(super) fn call_back(future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), Error> {
    give(Errand::Future(future))
}
