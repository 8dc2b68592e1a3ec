//! What is deprecated in the trait is deprecated in the client, and the expansion does not mind.

/// Has a method that nobody should call.
#[farcall::service(transparent)]
pub trait Store {
    /// Old.
    #[deprecated(note = "use `fetch`")]
    async fn lookup(&self, key: String) -> Result<String, Failure>;
    /// New.
    async fn fetch(&self, key: String) -> Result<String, Failure>;
}

/// Nobody should use it at all.
#[farcall::service]
#[deprecated]
pub trait Old {
    /// Old.
    async fn lookup(&self, key: String) -> String;
}

/// Why it failed.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Failure(String);

impl From<farcall::Error> for Failure {
    fn from(error: farcall::Error) -> Self {
        Failure(error.to_string())
    }
}

#[expect(deprecated)]
fn calls(client: &StoreClient) -> farcall::Call<String, farcall::CallError<Failure>> {
    client.lookup(String::new())
}

#[test]
fn what_is_deprecated_stays_so() {
    let _ = calls;
}
