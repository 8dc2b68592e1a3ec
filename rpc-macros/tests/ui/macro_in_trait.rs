//! A trait with a macro call.

macro_rules! methods {
    () => {};
}

#[farcall::service]
pub trait Service {
    methods!();
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
