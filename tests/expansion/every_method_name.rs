//! No name of a method is taken.

/// Names that generated code or the standard library also use.
#[farcall::service]
#[allow(missing_docs, clippy::should_implement_trait, clippy::new_ret_no_self, clippy::wrong_self_convention)]
pub trait Names {
    fn new(&self) -> i64;
    fn shared(&self) -> i64;
    async fn connect(&self, url: String) -> i64;
    fn clone(&self) -> i64;
    fn wait(&self) -> i64;
    fn poll(&self, context: u8) -> i64;
    fn serve(&self) -> i64;
    fn drop(&self) -> i64;
    fn into(&self) -> i64;
    fn into_future(&self) -> i64;
    fn from(&self) -> i64;
    fn fmt(&self, formatter: i64) -> i64;
    fn default(&self) -> i64;
    fn r#type(&self, r#match: i64) -> i64;
    fn dispatch(&self, request: i64) -> i64;
    fn descriptor(&self) -> i64;
    async fn seed(&self, seed: Vec<i64>) -> i64;
    async fn encoding(&self, encoding: i64) -> Option<i64>;
    fn method(&self) -> i64;
    fn run_async(&self) -> i64;
    async fn call(&self, core: i64, reply: i64) -> Result<i64, i64>;
    fn value(&self, value: i64) -> Result<i64, i64>;
    fn result(&self) -> i64;
    fn deref(&self) -> i64;
    fn borrow(&self) -> i64;
    fn as_ref(&self) -> i64;
    fn as_deref(&self, a: Option<&str>) -> i64;
    fn len(&self) -> i64;
    fn main(&self) -> i64;
    fn __from_core(&self) -> i64;
    fn __core(&self) -> i64;
}

/// Names of arguments that generated code also uses.
#[farcall::service]
#[allow(missing_docs, clippy::too_many_arguments)]
pub trait Arguments {
    async fn first(
        &self,
        self_: i64,
        service: i64,
        body: i64,
        request: &str,
        reply: i64,
        f: i64,
        value: i64,
        number: i64,
        core: i64,
        argument0: &str,
        argument1: i64,
        error: i64,
    ) -> Result<i64, i64>;
    async fn second(&self, argument1: i64, argument0: String, first: i64, second: i64) -> i64 {
        self.first(argument1, 0, 0, &argument0, 0, 0, first, second, 0, "", 0, 0).await.unwrap_or(0)
    }
}

/// Types whose names generated code might use.
pub mod types {
    use serde::{Deserialize, Serialize};

    /// A type called like a parameter.
    #[derive(Serialize, Deserialize)]
    pub struct S;
    /// A type called like something of ours.
    #[derive(Serialize, Deserialize)]
    pub struct Method;
    /// Another.
    #[derive(Serialize, Deserialize)]
    pub struct Reply;
    /// Another.
    #[derive(Serialize, Deserialize)]
    pub struct Send;
    /// Another.
    #[derive(Serialize, Deserialize)]
    pub struct Some;

    /// Uses them.
    #[farcall::service]
    pub trait T {
        /// All.
        async fn t(&self, s: S, method: &Method, send: &[Send], some: Some) -> Reply;
    }

    /// A trait called like a parameter.
    pub mod deeper {
        /// Without methods.
        #[farcall::service]
        pub trait S {}
    }
}

fn calls(client: &NamesClient) -> [farcall::Call<i64>; 3] {
    [client.new(), client.clone(), client.r#type(1)]
}

#[test]
fn no_name_is_taken() {
    let _ = calls;
}
