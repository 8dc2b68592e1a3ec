//! An argument that is mutable without a body.

#[farcall::service]
pub trait Service {
    fn add(&self, mut a: i64) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn add(&self, mut a: i64) -> i64 {
        a += 1;
        a
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
