//! `#[idempotent]` with arguments.

#[farcall::service]
pub trait Service {
    #[idempotent(always)]
    async fn look(&self) -> i64;
}

fn main() {}
