//! An argument of `#[service]` that is given twice.

#[farcall::service(name = "a", name = "b")]
pub trait Service {
    fn add(&self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn add(&self) -> i64 {
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
