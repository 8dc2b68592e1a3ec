//! The attacks, by what they falsify.

pub(crate) mod bells;
pub(crate) mod messages;
pub(crate) mod records;
