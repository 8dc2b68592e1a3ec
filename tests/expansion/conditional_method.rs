//! A method under `#[cfg]` exists everywhere or nowhere, and the numbers close up.

use farcall::Client as _;

/// Some methods are absent.
#[farcall::service]
pub trait Partial {
    /// Absent, with types that do not exist.
    #[cfg(any())]
    async fn absent(&self, missing: Missing) -> Missing;
    /// Present.
    async fn first(&self) -> i64;
    /// One of two.
    #[cfg(any())]
    fn either(&self, a: Missing) -> Missing {
        a
    }
    /// The other of two.
    #[cfg(any(unix, not(unix)))]
    fn either(&self, a: u8) -> u8 {
        a
    }
    /// Absent by another way to say it.
    #[cfg_attr(all(), cfg(any()))]
    fn indirect(&self) -> Missing;
    /// Present.
    #[cfg_attr(all(), allow(dead_code), doc = "Documented.")]
    #[cfg(any(unix, not(unix)))]
    async fn last(&self, name: &str) -> Result<String, i64>;
}

/// Nothing is left.
#[farcall::service]
pub trait Empty {
    /// Absent.
    #[cfg(any())]
    async fn absent(&self, missing: Missing) -> Missing;
}

/// The whole is absent.
#[farcall::service]
#[cfg(any())]
pub trait Absent {
    /// Absent.
    async fn absent(&self, missing: Missing) -> Missing;
}

struct Here;

impl Partial for Here {
    async fn first(&self) -> i64 {
        1
    }
    async fn last(&self, name: &str) -> Result<String, i64> {
        Ok(name.into())
    }
}

struct AbsentClient;

#[test]
fn what_is_not_configured_is_not_there() {
    let _ = PartialServer::new(Here);
    let methods = PartialClient::DESCRIPTOR.methods().iter();
    assert_eq!(methods.map(|method| method.name()).collect::<Vec<_>>(), ["first", "either", "last"]);
    assert!(EmptyClient::DESCRIPTOR.methods().is_empty());
    let _ = AbsentClient;
}
