//! What `#[farcall::service]` takes, it takes without a warning, however strict the program is: that this builds is the test.

#![deny(warnings, missing_docs, unsafe_code)]
#![allow(unreachable_pub)]

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
