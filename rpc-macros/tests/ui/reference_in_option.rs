//! A reference in an `Option` to something that cannot be borrowed there.

#[farcall::service]
pub trait Service {
    async fn put(&self, number: Option<&i64>) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn put(&self, _: Option<&i64>) -> i64 {
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
