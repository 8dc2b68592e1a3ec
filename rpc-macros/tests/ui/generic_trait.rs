//! A trait with a type parameter.

#[farcall::service]
pub trait Service<T: 'static> {
    async fn add(&self, a: i64) -> i64;
}

struct Here;

impl Service<i64> for Here {
    async fn add(&self, a: i64) -> i64 {
        a
    }
}

fn main() {}
