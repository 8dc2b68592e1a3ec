//! An `async fn` that is said to block.

#[farcall::service]
pub trait Service {
    #[blocking]
    async fn look(&self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn look(&self) -> i64 {
        1
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
