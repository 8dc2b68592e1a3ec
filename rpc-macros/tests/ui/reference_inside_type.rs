//! A reference inside another type.

#[farcall::service]
pub trait Service {
    async fn join(&self, words: Vec<&str>) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn join(&self, _: Vec<&str>) -> i64 {
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
