//! A method with a lifetime parameter.

#[farcall::service]
pub trait Service {
    fn first<'a>(&self, text: &'a str) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn first<'a>(&self, _: &'a str) -> i64 {
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
