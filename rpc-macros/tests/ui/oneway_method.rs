//! A method without a reply.

#[farcall::service]
pub trait Service {
    #[oneway]
    async fn note(&self, line: &str);
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    async fn note(&self, _: &str) {}
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
