//! An error that cannot be encoded.

pub struct Point {
    pub x: i64,
}

#[farcall::service]
pub trait Service {
    fn find(&self) -> Result<i64, Point>;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn find(&self) -> Result<i64, Point> {
        Ok(1)
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
