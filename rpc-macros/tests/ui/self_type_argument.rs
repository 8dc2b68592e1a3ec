//! An argument of type `Self`.

#[farcall::service]
pub trait Service {
    fn merge(&self, other: Box<Self>) -> i64;
    async fn sound(&self) -> i64;
}

fn main() {}
