//! A transparent service with a method that returns nothing.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Failure;

impl From<farcall::Error> for Failure {
    fn from(_: farcall::Error) -> Self {
        Failure
    }
}

#[farcall::service(transparent)]
pub trait Service {
    async fn add(&self);
    async fn sound(&self) -> Result<i64, Failure>;
}

struct Here;

impl Service for Here {
    async fn add(&self) {}
    async fn sound(&self) -> Result<i64, Failure> {
        Ok(1)
    }
}

fn main() {}
