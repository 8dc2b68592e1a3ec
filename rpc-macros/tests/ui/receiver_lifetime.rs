//! A method that names the lifetime of `self`.

#[farcall::service]
pub trait Service {
    fn stay(&'static self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn stay(&'static self) -> i64 {
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
