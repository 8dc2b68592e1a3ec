//! A future spelt out.

#[farcall::service]
pub trait Service {
    fn later(&self) -> impl Future<Output = i64> + Send;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn later(&self) -> i64 {
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
