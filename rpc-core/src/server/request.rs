//! One call to be served: its arguments, and the ways in which its handler can be run.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::buffers;
use crate::codec::{self, Codec, DecodeLimits, Encoding, Seeds};
use crate::driver::InPlace;
use crate::error::{Code, Error, Fate};
use crate::server::held::Pools;
use crate::server::load::Load;
use crate::server::run::{Encoded, Refusal, Run, panicked};

/// A service's implementation, shared, and the boxes of its handlers' futures.
pub struct ServerCore<S> {
    service: Arc<S>,
    pools: Arc<[Pools]>,
}

impl<S> ServerCore<S> {
    /// A service of this implementation.
    pub fn new(service: S, methods: usize) -> Self {
        ServerCore::shared(Arc::new(service), methods)
    }

    /// A service of an implementation that others use as well.
    pub fn shared(service: Arc<S>, methods: usize) -> Self {
        ServerCore { service, pools: (0..methods).map(|_| Pools::default()).collect() }
    }
}

impl<S> Clone for ServerCore<S> {
    fn clone(&self) -> Self {
        ServerCore { service: Arc::clone(&self.service), pools: Arc::clone(&self.pools) }
    }
}

impl<S> fmt::Debug for ServerCore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCore").finish_non_exhaustive()
    }
}

/// The encoded arguments of a call.
#[derive(Debug)]
pub struct Body {
    codec: Codec,
    bytes: Vec<u8>,
    budget: Option<usize>,
}

impl Body {
    pub(super) fn new(codec: Codec, bytes: Vec<u8>, budget: Option<usize>) -> Self {
        Body { codec, bytes, budget }
    }

    /// Reads the arguments.
    ///
    /// # Errors
    /// They are not what the method takes, or exceed a limit; the handler did not run.
    pub fn decode<'de, P: Seeds<'de>>(&'de self, seeds: P) -> Result<P::Values, Refusal> {
        let limits = DecodeLimits::for_message(self.bytes.len());
        let limits = self.budget.map_or(limits, |budget| limits.with_budget(budget));
        caught(Fate::NotExecuted, || seeds.decode(self.codec, &self.bytes, limits))?
            .map_err(|error| Refusal(error.into_error(Fate::NotExecuted)))
    }

    /// Writes a plain result, or the `Ok` of a `Result`.
    ///
    /// # Errors
    /// It cannot be encoded; the handler has completed.
    pub fn reply<X: Encoding>(&self, value: X) -> Result<Encoded, Refusal> {
        self.encode(value, false)
    }

    /// Writes the `Err` of a `Result`.
    ///
    /// # Errors
    /// It cannot be encoded; the handler has completed.
    pub fn reply_error<X: Encoding>(&self, error: X) -> Result<Encoded, Refusal> {
        self.encode(error, true)
    }

    fn encode<X: Encoding>(&self, value: X, failed: bool) -> Result<Encoded, Refusal> {
        let value = match value.into_bytes(self.codec) {
            Ok((buf, bytes)) => return Ok(Encoded { failed, buf, bytes: Some(bytes) }),
            Err(value) => value,
        };
        let mut buf = buffers::take(codec::room(value.size_hint()));
        match caught(Fate::Completed, || codec::encode(self.codec, &value, &mut buf))? {
            Ok(()) => Ok(Encoded { failed, buf, bytes: None }),
            Err(error) => Err(Refusal(error.into_error(Fate::Completed))),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        buffers::give(std::mem::take(&mut self.bytes));
    }
}

/// One call to be served.
#[derive(Debug)]
pub struct Request<'a> {
    pub(super) load: &'a Load,
    pub(super) run: Run,
    pub(super) method: u16,
    pub(super) body: Body,
    pub(super) place: &'a mut InPlace,
}

impl Request<'_> {
    /// The method's number in the service's descriptor.
    pub fn method(&self) -> u16 {
        self.method
    }

    /// Polls the handler once, in place; a pending one goes on elsewhere.
    pub fn run_async<S, F, Fut>(self, core: &ServerCore<S>, handler: F)
    where
        F: FnOnce(Arc<S>, Body) -> Fut,
        Fut: Future<Output = Result<Encoded, Refusal>> + Send + 'static,
    {
        let future = handler(Arc::clone(&core.service), self.body);
        core.pools[usize::from(self.method)].run(future, self.run, self.load, self.place);
    }

    /// Runs the handler in place.
    pub fn run_inline<S, F>(self, core: &ServerCore<S>, handler: F)
    where
        F: FnOnce(&S, &Body) -> Result<Encoded, Refusal>,
    {
        let mut run = self.run;
        let result = caught_in(&mut run, &*core.service, &self.body, handler);
        run.end_in(self.place, result);
    }

    /// Runs the handler where blocking is allowed.
    pub fn run_blocking<S, F>(self, core: &ServerCore<S>, handler: F)
    where
        S: Send + Sync + 'static,
        F: FnOnce(&S, &Body) -> Result<Encoded, Refusal> + Send + 'static,
    {
        let Request { load, mut run, body, .. } = self;
        run.leave(load);
        let service = Arc::clone(&core.service);
        let work = move |mut run: Run| {
            let driver = Arc::clone(run.driver());
            let result = caught_in(&mut run, &*service, &body, handler);
            run.end(result);
            driver.flush();
        };
        load.backlog().add(run, Box::new(work));
    }

    /// Refuses a method that the service does not have.
    pub fn unknown_method(self) {
        let error = Error::new(Code::UnknownMethod, Fate::NotExecuted, "the service has no such method");
        self.run.end_in(self.place, Err(Refusal(error)));
    }
}

fn caught_in<S>(
    run: &mut Run,
    service: &S,
    body: &Body,
    handler: impl FnOnce(&S, &Body) -> Result<Encoded, Refusal>,
) -> Result<Encoded, Refusal> {
    let entered = run.enter();
    let result = catch_unwind(AssertUnwindSafe(|| handler(service, body)));
    drop(entered);
    result.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// Runs a type's own code around the handler; if it panics, the call has this fate.
fn caught<T>(fate: Fate, run: impl FnOnce() -> T) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Refusal(panicked(&*panic).0.with_fate(fate)))
}
