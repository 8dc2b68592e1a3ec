//! The serving face of a session: routes requests to services and runs their handlers.

mod backlog;
mod held;
mod load;
mod request;
mod router;
mod routes;
mod run;

pub use load::Load;
pub use request::{Body, Request, ServerCore};
pub use router::Router;
pub use run::{Encoded, Refusal};

use crate::service::ServiceDescriptor;
use crate::shape::Shapes;

/// Something that can be served; `#[farcall::service]` generates it for the trait's server type.
///
/// **Callers** need it only as a bound.
///
/// ```
/// use farcall::{Error, ServerHandle, Service};
///
/// fn serve_here(name: &str, service: impl Service) -> Result<ServerHandle, Error> {
///     farcall::serve(format!("mem:doc-service-{name}"), service).wait()
/// }
/// # use farcall::testkit::calculator::{Calc, CalculatorServer};
/// let server = serve_here("calc", CalculatorServer::new(Calc))?;
/// assert_eq!(server.url(), "mem:doc-service-calc");
/// # Ok::<(), farcall::Error>(())
/// ```
pub trait Service: Send + Sync + 'static {
    /// Name and methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    #[doc(hidden)]
    fn __shapes(&self) -> &'static Shapes {
        Shapes::none()
    }

    /// Serves one request.
    fn dispatch(&self, request: Request<'_>);
}
