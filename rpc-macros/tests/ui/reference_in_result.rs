//! A result that borrows.

#[farcall::service]
pub trait Service {
    fn name(&self) -> &str;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn name(&self) -> &str {
        ""
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
