//! A trait may itself come from a macro.

macro_rules! service {
    ($name:ident, $argument:ty, $result:ty) => {
        #[farcall::service]
        pub trait $name {
            async fn given(&self, value: &$argument, other: i64) -> $result;
            fn plain(&self, value: &$argument, body: i64) -> i64 {
                let _ = value;
                body
            }
        }
    };
}

service!(Numbers, i64, Result<i64, String>);
service!(Texts, str, Option<String>);

#[test]
fn a_trait_may_come_from_a_macro() {
    let _ = |client: NumbersClient| client.given(&1, 2);
    let _ = |client: TextsClient| client.given("", 2);
}
