//! A result with a reference inside.

#[farcall::service]
pub trait Service {
    async fn names(&self) -> Result<Vec<&'static str>, i64>;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn names(&self) -> Result<Vec<&'static str>, i64> {
        Ok(Vec::new())
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
