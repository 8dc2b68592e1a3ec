//! Every mistake is reported at once.

#[farcall::service(fast)]
pub trait Service {
    async fn stop(self);
    fn put(&mut self, words: Vec<&str>) -> &str;
    const LIMIT: usize;
}

fn main() {}
