//! An argument that cannot be decoded.

#[derive(serde::Serialize)]
pub struct Point {
    pub x: i64,
}

#[farcall::service]
pub trait Service {
    fn put(&self, points: &[Point]) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn put(&self, _: &[Point]) -> i64 {
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
