//! Farcall may stand anywhere.

/// Where it is found.
pub mod wrapped {
    pub use farcall as inner;
}

/// Finds it elsewhere.
#[farcall::service(crate = "crate::crate_path::wrapped::inner", name = "elsewhere")]
pub trait Elsewhere {
    /// One.
    async fn add(&self, a: i64, name: &str) -> Result<i64, String>;
}

mod empty {
    #![no_implicit_prelude]

    #[::farcall::service]
    pub(crate) trait Bare {
        async fn add(&self, a: i64, name: &str, tail: ::std::option::Option<&str>) -> i64;
        fn plain(&self, a: ::std::vec::Vec<u8>) -> ::std::result::Result<i64, i64>;
        async fn given(&self, a: i64) -> i64 {
            a
        }
    }
}

#[test]
fn farcall_may_stand_anywhere() {
    assert_eq!(<ElsewhereClient as farcall::Client>::DESCRIPTOR.name(), "elsewhere");
    assert_eq!(<empty::BareClient as farcall::Client>::DESCRIPTOR.name(), "Bare");
    let _ = |client: empty::BareClient| client.add(1, "", ::std::option::Option::None);
}
