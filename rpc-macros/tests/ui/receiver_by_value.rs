//! A method that takes `self` by value.

#[farcall::service]
pub trait Service {
    async fn stop(self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn stop(self) -> i64 {
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
