//! A method with a type parameter.

#[farcall::service]
pub trait Service {
    async fn echo<T: Send>(&self, value: T) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn echo<T: Send>(&self, _: T) -> i64 {
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
