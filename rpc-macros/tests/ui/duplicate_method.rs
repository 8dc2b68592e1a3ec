//! Two methods of one name.

#[farcall::service]
pub trait Service {
    async fn add(&self, a: i64) -> i64;
    fn add(&self, a: i64, b: i64) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn add(&self, a: i64) -> i64 {
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
