//! A method without `self`.

#[farcall::service]
pub trait Service {
    async fn add(a: i64, b: i64) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn add(a: i64, b: i64) -> i64 {
        a + b
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
