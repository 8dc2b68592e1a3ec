//! An argument that cannot be encoded.

pub struct Point {
    pub x: i64,
}

#[farcall::service]
pub trait Service {
    async fn put(&self, point: Point) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn put(&self, _: Point) -> i64 {
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
