//! A result of an unnamed type.

#[farcall::service]
pub trait Service {
    fn names(&self) -> impl Iterator<Item = i64>;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn names(&self) -> impl Iterator<Item = i64> {
        std::iter::empty()
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
