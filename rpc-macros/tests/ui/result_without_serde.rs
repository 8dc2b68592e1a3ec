//! A result that cannot be encoded.

pub struct Point {
    pub x: i64,
}

#[farcall::service]
pub trait Service {
    async fn find(&self) -> Option<Point>;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn find(&self) -> Option<Point> {
        None
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
