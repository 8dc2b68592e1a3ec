//! An argument that could be written to.

#[farcall::service]
pub trait Service {
    fn fill(&self, buffer: &mut Vec<u8>) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn fill(&self, _: &mut Vec<u8>) -> i64 {
        1
    }
    async fn sound(&self) -> i64 {
        1
    }
}

fn call(client: &ServiceClient) -> farcall::Call<i64> {
    client.sound()
}

fn main() {}
