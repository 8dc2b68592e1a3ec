//! A method that is `unsafe`.

#[farcall::service]
pub trait Service {
    unsafe fn peek(&self) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    unsafe fn peek(&self) -> i64 {
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
