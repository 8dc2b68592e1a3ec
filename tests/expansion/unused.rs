//! A program that only serves, or only calls, gets no warning about the other half.

#[farcall::service]
trait Served {
    async fn first(&self) -> i64;
    fn second(&self, text: &str) -> Result<i64, i64>;
}

#[farcall::service]
trait Called {
    async fn first(&self) -> i64;
    fn second(&self, text: &str) -> Result<i64, i64>;
}

struct Serving;

impl Served for Serving {
    async fn first(&self) -> i64 {
        1
    }
    fn second(&self, _: &str) -> Result<i64, i64> {
        Ok(2)
    }
}

#[test]
fn half_of_a_service_may_stay_unused() {
    let _ = ServedServer::new(Serving);
    let _call = |client: CalledClient| client.first();
}
