//! A stream of arguments.

pub struct Streaming<T>(T);

#[farcall::service]
pub trait Service {
    fn sum(&self, numbers: Streaming<u64>) -> u64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn sum(&self, _: Streaming<u64>) -> u64 {
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
