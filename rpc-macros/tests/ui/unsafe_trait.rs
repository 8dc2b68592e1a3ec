//! A trait that is `unsafe`.

#[farcall::service]
pub unsafe trait Service {
    fn add(&self, a: i64) -> i64;
}

struct Here;

unsafe impl Service for Here {
    fn add(&self, a: i64) -> i64 {
        a
    }
}

fn main() {}
