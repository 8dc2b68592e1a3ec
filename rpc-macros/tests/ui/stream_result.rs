//! A stream of results.

pub trait Stream {
    type Item;
}

impl Stream for () {
    type Item = u64;
}

#[farcall::service]
pub trait Service {
    fn primes(&self, below: u64) -> impl Stream<Item = u64> + Send;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn primes(&self, _: u64) -> impl Stream<Item = u64> + Send {}
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
