//! A trait with an associated constant.

#[farcall::service]
pub trait Service {
    const LIMIT: usize;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    const LIMIT: usize = 1;
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
