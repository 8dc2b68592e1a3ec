//! A method with any number of arguments.

#[farcall::service]
pub trait Service {
    fn print(&self, format: String, ...) -> i64;
    async fn sound(&self) -> i64;
}

struct Here;

impl Service for Here {
    fn print(&self, _: String) -> i64 {
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
