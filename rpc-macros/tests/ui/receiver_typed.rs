//! A method that takes `self` under a type.

#[farcall::service]
pub trait Service {
    fn share(self: std::sync::Arc<Self>) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn share(self: std::sync::Arc<Self>) -> i64 {
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
