//! The attacks, by what they falsify.

pub(crate) mod answers;
pub(crate) mod bells;
pub(crate) mod grants;
pub(crate) mod messages;
pub(crate) mod records;
