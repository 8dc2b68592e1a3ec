//! A `Result` under any name is taken apart.

/// Our results.
pub mod ours {
    /// Always the same error.
    pub type Result<T> = std::result::Result<T, String>;
    /// Another name.
    pub type Answer<T = ()> = std::result::Result<T, i64>;
}

/// Aliases.
#[farcall::service]
pub trait Aliases {
    /// The standard one, in full.
    async fn standard(&self) -> std::result::Result<Vec<u8>, i64>;
    /// One parameter.
    async fn alias(&self) -> ours::Result<Vec<u8>>;
    /// Forced.
    #[method(result)]
    fn forced(&self) -> ours::Answer;
    /// A plain value that happens to be a result.
    fn plain(&self) -> ours::Answer;
    /// Both.
    #[method(name = "both ways", result)]
    fn both(&self) -> ours::Answer<i64>;
}

fn calls(client: &AliasesClient) {
    let _: farcall::Call<Vec<u8>, farcall::CallError<i64>> = client.standard();
    let _: farcall::Call<Vec<u8>, farcall::CallError<String>> = client.alias();
    let _: farcall::Call<(), farcall::CallError<i64>> = client.forced();
    let _: farcall::Call<Result<(), i64>> = client.plain();
    let _: farcall::Call<i64, farcall::CallError<i64>> = client.both();
}

#[test]
fn a_result_under_any_name_is_taken_apart() {
    let _ = calls;
}
