//! Code that is generic over the trait takes a client as well as an implementation.

use serde::{Deserialize, Serialize};

/// Why it failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure(String);

impl From<farcall::Error> for Failure {
    fn from(error: farcall::Error) -> Self {
        Failure(error.to_string())
    }
}

/// One error for all.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Runs local or remote.
#[farcall::service(transparent)]
pub trait Store {
    /// Reads.
    async fn fetch(&self, key: &str, tail: Option<&[u8]>) -> Result<Vec<u8>>;
    /// Has the name of something.
    async fn clone(&self, value: i64) -> Result<i64>;
    /// Has a body.
    async fn length(&self, key: &str) -> Result<usize> {
        Ok(self.fetch(key, None).await?.len())
    }
}

/// Generic over where it runs.
pub async fn total<S: Store>(store: &S) -> Result<usize> {
    Ok(store.length("a").await? + store.length("b").await?)
}

fn remote(client: &StoreClient) -> impl Future<Output = Result<usize>> + Send {
    total(client)
}

#[test]
fn a_client_is_an_implementation() {
    let _ = remote;
}
