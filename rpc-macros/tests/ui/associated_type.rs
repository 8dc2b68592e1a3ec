//! A trait with an associated type.

#[farcall::service]
pub trait Service {
    type Key;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    type Key = i64;
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
