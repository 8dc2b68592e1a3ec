//! An argument that `#[method]` does not know.

#[farcall::service]
pub trait Service {
    #[method(speed = "fast")]
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
