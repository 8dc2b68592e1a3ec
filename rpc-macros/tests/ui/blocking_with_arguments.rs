//! `#[blocking]` with arguments.

#[farcall::service]
pub trait Service {
    #[blocking(always)]
    fn look(&self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn look(&self) -> i64 {
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
