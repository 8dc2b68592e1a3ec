//! An argument of an unnamed type.

#[farcall::service]
pub trait Service {
    async fn write(&self, text: impl Into<String> + Send) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn write(&self, _: impl Into<String> + Send) -> i64 {
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
