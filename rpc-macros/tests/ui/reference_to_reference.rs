//! A reference to a reference.

#[farcall::service]
pub trait Service {
    fn put(&self, text: &&str) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn put(&self, _: &&str) -> i64 {
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
