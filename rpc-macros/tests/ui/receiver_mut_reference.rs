//! A method that takes `&mut self`.

#[farcall::service]
pub trait Service {
    async fn count(&mut self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn count(&mut self) -> i64 {
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
