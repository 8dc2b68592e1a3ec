//! Many calls that leave together.

use std::sync::Arc;

use crate::client::Call;
use crate::driver::Driver;
use crate::error::Error;
use crate::session::Departure;

/// Starts calls in order and sends them in one flush for each connection. They come back for their results.
///
/// Calls that cannot be started carry their error as their result.
///
/// ```
/// # let (server, calc) = farcall::testkit::calculator::calculator("mem:doc-submit-all")?;
/// let calls = farcall::submit_all((0..100).map(|n| calc.add(n, n)));
/// for (n, call) in (0..100).zip(calls) {
///     assert_eq!(call.wait()?, 2 * n);
/// }
/// # Ok::<(), farcall::Error>(())
/// ```
pub fn submit_all<T, E: From<Error>>(calls: impl IntoIterator<Item = Call<T, E>>) -> Vec<Call<T, E>> {
    let mut calls: Vec<_> = calls.into_iter().collect();
    let mut unflushed: Option<Arc<Driver>> = None;
    for call in &mut calls {
        let Some(started) = call.start(None, Departure::WithOthers, false) else { continue };
        if (started.alone || started.many) && call.driver().is_side_by_side() {
            call.driver().flush_at(started.at);
        }
        match &unflushed {
            Some(driver) if Arc::ptr_eq(driver, call.driver()) => {}
            _ => {
                if let Some(driver) = unflushed.replace(Arc::clone(call.driver())) {
                    driver.flush();
                }
            }
        }
    }
    if let Some(driver) = unflushed {
        driver.flush();
    }
    calls
}
