//! The serving face of a session: routes requests to services and runs their handlers.

mod held;
mod load;
mod request;
mod router;
mod run;

pub use load::Load;
pub use request::{Body, Request, ServerCore};
pub use router::Router;
pub use run::{Encoded, Refusal};

use crate::service::ServiceDescriptor;

/// Something that can be served; `#[farcall::service]` generates it for the trait's server type.
pub trait Service: Send + Sync + 'static {
    /// Name and methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Serves one request.
    fn dispatch(&self, request: Request);
}
