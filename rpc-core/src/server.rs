//! The serving face of a session: routes requests to services and runs their handlers.

mod held;
mod request;
mod router;

pub use request::{Body, Encoded, Refusal, Request, ServerCore};
pub use router::{Load, Router};

use crate::service::ServiceDescriptor;

/// Something that can be served; `#[farcall::service]` generates it for the trait's server type.
pub trait Service: Send + Sync + 'static {
    /// Name and methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// Serves one request.
    fn dispatch(&self, request: Request);
}
