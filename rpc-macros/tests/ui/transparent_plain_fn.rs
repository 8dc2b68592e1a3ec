//! A transparent service with a method that is not `async`.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Failure;

impl From<farcall::Error> for Failure {
    fn from(_: farcall::Error) -> Self {
        Failure
    }
}

#[farcall::service(transparent)]
pub trait Service {
    fn add(&self) -> Result<i64, Failure>;
    async fn sound(&self) -> Result<i64, Failure>;
}

struct Here;

impl Service for Here {
    fn add(&self) -> Result<i64, Failure> {
        Ok(1)
    }
    async fn sound(&self) -> Result<i64, Failure> {
        Ok(1)
    }
}

fn main() {}
