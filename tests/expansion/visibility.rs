//! The client and the server are as visible as the trait.

mod inner {
    #[farcall::service]
    pub(crate) trait Crate {
        async fn visible(&self) -> i64;
        async fn unused(&self) -> i64;
    }

    #[farcall::service]
    pub(super) trait Parent {
        async fn visible(&self) -> i64;
    }

    pub(crate) mod deeper {
        #[farcall::service]
        pub(crate) trait Within {
            async fn visible(&self) -> i64;
        }
    }

    pub(crate) fn within(client: &deeper::WithinClient) -> farcall::Call<i64> {
        client.visible()
    }
}

#[farcall::service]
trait Private {
    async fn visible(&self) -> i64;
    fn never_called(&self);
}

fn crate_wide(client: &inner::CrateClient) -> farcall::Call<i64> {
    client.visible()
}

fn private(client: &PrivateClient) -> farcall::Call<i64> {
    client.visible()
}

fn in_a_function() {
    #[farcall::service]
    trait Local {
        async fn visible(&self, number: Option<i64>) -> i64;
    }
    fn call(client: &LocalClient) -> farcall::Call<i64> {
        client.visible(None)
    }
    let _ = call;
}

#[test]
fn what_is_private_stays_so() {
    let _ = (inner::within, crate_wide, private);
    in_a_function();
}
