//! A method with a constant parameter.

#[farcall::service]
pub trait Service {
    fn fill<const N: usize>(&self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn fill<const N: usize>(&self) -> i64 {
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
