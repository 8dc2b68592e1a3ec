//! A transparent service whose error cannot come from Farcall's.

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Failure;

impl From<farcall::Error> for Failure {
    fn from(_: farcall::Error) -> Self {
        Failure
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Unrelated;

#[farcall::service(transparent)]
pub trait Service {
    async fn add(&self) -> Result<i64, Unrelated>;
    async fn sound(&self) -> Result<i64, Failure>;
}

struct Here;

impl Service for Here {
    async fn add(&self) -> Result<i64, Unrelated> {
        Ok(1)
    }
    async fn sound(&self) -> Result<i64, Failure> {
        Ok(1)
    }
}

fn main() {}
