//! What `#[farcall::service]` takes, it takes without a warning, however strict the program is: that this builds is the test.

#![deny(warnings, missing_docs, unsafe_code)]
#![allow(unreachable_pub)]
#![expect(
    clippy::len_without_is_empty,
    clippy::let_underscore_future,
    clippy::too_many_arguments,
    clippy::ptr_arg,
    reason = "these traits show what may be written, not what is well written"
)]

pub mod conditional_method;
pub mod crate_path;
pub mod deprecated_method;
pub mod every_method_name;
pub mod result_alias;
#[expect(missing_docs)]
pub mod trait_from_macro_rules;
pub mod transparent;
mod unused;
pub mod visibility;
pub mod whole_trait;
