//! The one module to which generated code speaks. Not a public interface.

pub use crate::client::{ClientCore, Reply, call};
pub use crate::codec::{
    Arg, Argument, AsBulk, AsPlain, Bulk, BulkSeed, BytesSeed, Encoding, Encodings, GiveBulk, GivePlain,
    OptionSeed, Outcome, Plain, PlainSeed, ResultParts, SeedBulk, SeedPlain, Seeds, StrSeed, Tag,
};
pub use crate::server::{Body, Encoded, Refusal, Request, ServerCore};
pub use crate::service::{MethodDescriptor, ServiceDescriptor};
pub use crate::shape::{MethodShape, MethodTrace, Shapes, TraceMethod};
