//! A trait with a where clause.

#[farcall::service]
pub trait Service
where
    Self: Sized,
{
    async fn add(&self, a: i64) -> i64;
}

fn main() {}
