//! A changed method fails alone, in a sentence that shows both sides.

use std::time::Duration;

use farcall::testkit::{Watchdog, block_on};
use farcall::{Code, Connection, Fate};

/// As the server was built.
mod server {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) enum Order {
        Oldest,
        Newest,
    }

    #[farcall::service]
    pub(super) trait Store {
        async fn put(&self, key: String, value: Vec<u8>, ttl: u64);
        async fn get(&self, key: &str) -> Option<Vec<u8>>;
        async fn list(&self, order: Order) -> Vec<String>;
        fn count(&self) -> Result<u32, String>;
    }

    pub(super) struct Shelf;

    impl Store for Shelf {
        async fn put(&self, _key: String, _value: Vec<u8>, _ttl: u64) {}

        async fn get(&self, key: &str) -> Option<Vec<u8>> {
            Some(key.as_bytes().to_vec())
        }

        async fn list(&self, order: Order) -> Vec<String> {
            vec![match order {
                Order::Oldest => "oldest".to_owned(),
                Order::Newest => "newest".to_owned(),
            }]
        }

        fn count(&self) -> Result<u32, String> {
            Ok(7)
        }
    }
}

/// As another client was built: reordered, with a changed argument, variant and result, and one method that is new.
mod client {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) enum Order {
        Newest,
        Oldest,
    }

    #[farcall::service]
    pub(super) trait Store {
        fn count(&self) -> u32;
        async fn list(&self, order: Order) -> Vec<String>;
        async fn remove(&self, key: String);
        // By reference and under another name: neither counts.
        async fn get(&self, name: String) -> Option<Vec<u8>>;
        async fn put(&self, key: &str, value: &[u8], ttl: u32);
    }
}

/// As a client of the same day was built.
mod alike {
    #[farcall::service]
    pub(super) trait Store {
        async fn get(&self, key: Box<str>) -> Option<Vec<u8>>;
        fn count(&self) -> Result<u32, String>;
    }
}

fn serve(url: &str) -> farcall::ServerHandle {
    farcall::serve(url, server::StoreServer::new(server::Shelf)).wait().expect("it can be served")
}

fn limited(test: impl FnOnce()) {
    let _watchdog = Watchdog::new(Duration::from_secs(60));
    test();
}

#[test]
fn a_changed_method_fails_alone_and_shows_both_sides() {
    limited(|| {
        let server = serve("mem:shapes-alone");
        let store: client::StoreClient = farcall::connect(server.url()).wait().unwrap();
        let put = || store.put("k", b"v", 5).wait().unwrap_err();
        let first = put();
        assert_eq!(first.code(), Code::SchemaMismatch);
        assert!(first.fate().is_safe_to_retry(), "{first:?}");
        assert_eq!(first.to_string(), "Store.put on mem:shapes-alone: argument ttl is u32 here, u64 there");
        assert_eq!(store.get("k".to_owned()).wait(), Ok(Some(b"k".to_vec())));
        // By now the answer is here, so that nothing is sent.
        let second = put();
        assert_eq!((second.fate(), second.to_string()), (Fate::NotSent, first.to_string()));
        let list = store.list(client::Order::Oldest).wait().unwrap_err();
        let says = "Store.list on mem:shapes-alone: argument order: Order has the variants Newest, Oldest here, \
                    Oldest, Newest there";
        assert_eq!((list.code(), &*list.to_string()), (Code::SchemaMismatch, says));
        let count = store.count().wait().unwrap_err();
        assert!(count.to_string().ends_with("it returns a plain value here, a `Result` there"), "{count}");
        assert_eq!(store.remove(String::new()).wait().unwrap_err().code(), Code::UnknownMethod);
        assert_eq!(store.get("l".to_owned()).wait(), Ok(Some(b"l".to_vec())));
    });
}

#[test]
fn whoever_takes_a_changed_call_from_a_mailbox_refuses_it_alone_and_shows_both_sides() {
    limited(|| {
        let url = format!("mailbox:/farcall-shapes-{}", std::process::id());
        let store: client::StoreClient = farcall::connect(&*url).wait().unwrap();
        let server = serve(&url);
        // The second is compared anew: another server may have taken it.
        for _ in 0..2 {
            let put = store.put("k", b"v", 5).wait().unwrap_err();
            assert_eq!((put.code(), put.fate()), (Code::SchemaMismatch, Fate::NotExecuted));
            assert_eq!(put.to_string(), format!("Store.put on {url}: argument ttl is u32 here, u64 there"));
        }
        let count = store.count().wait().unwrap_err();
        assert!(count.to_string().ends_with("it returns a plain value here, a `Result` there"), "{count}");
        assert_eq!(store.remove(String::new()).wait().unwrap_err().code(), Code::UnknownMethod);
        assert_eq!(store.get("k".to_owned()).wait(), Ok(Some(b"k".to_vec())));
        drop(server);
        farcall::remove_mailbox(&url).unwrap();
    });
}

#[test]
fn a_strict_client_is_not_connected_to_what_differs() {
    limited(|| {
        let server = serve("mem:shapes-strict");
        let blocking = farcall::connect::<client::StoreClient>("mem:shapes-strict?check=strict").wait();
        let awaited =
            block_on(async { farcall::connect::<client::StoreClient>(server.url()).check_strict().await });
        for error in [blocking.unwrap_err(), awaited.unwrap_err()] {
            assert_eq!((error.code(), error.fate()), (Code::UnknownMethod, Fate::NotSent));
            let says = "Store.count: it returns a plain value here, a `Result` there; Store.list: argument order: \
                        Order has the variants Newest, Oldest here, Oldest, Newest there; \
                        Store.remove: the peer has no such method; and 1 more";
            assert!(
                error.to_string().starts_with("mem:shapes-strict") && error.to_string().ends_with(says),
                "{error}"
            );
        }
    });
}

#[test]
fn a_strict_client_of_another_service_is_not_connected() {
    #[farcall::service]
    trait Other {
        fn nothing(&self);
    }
    limited(|| {
        let server = serve("mem:shapes-other");
        let error = farcall::connect::<OtherClient>(server.url()).check_strict().wait().unwrap_err();
        assert_eq!(error.code(), Code::UnknownService);
        assert!(error.to_string().contains("it serves Store"), "{error}");
    });
}

#[test]
fn a_strict_client_of_what_is_alike_is_connected() {
    limited(|| {
        let server = serve("unix:@farcall-shapes-alike");
        let store: alike::StoreClient = farcall::connect(server.url()).check_strict().wait().unwrap();
        assert_eq!(store.count().wait(), Ok(7));
        let store: alike::StoreClient =
            block_on(async { farcall::connect(server.url()).check_strict().await }).unwrap();
        assert_eq!(store.get("k".into()).wait(), Ok(Some(b"k".to_vec())));
        // Nothing to compare.
        assert!(farcall::connect::<Connection>(server.url()).check_strict().wait().is_ok());
    });
}

#[test]
fn what_is_called_back_is_compared_as_well() {
    mod here {
        #[farcall::service]
        pub(super) trait Pupil {
            async fn name(&self, times: u8) -> String;
        }
        pub(super) struct Anna;
        impl Pupil for Anna {
            async fn name(&self, times: u8) -> String {
                "Anna".repeat(times.into())
            }
        }
    }
    #[farcall::service]
    trait Pupil {
        async fn name(&self, times: u16) -> String;
    }
    #[farcall::service]
    trait Teacher {
        async fn ask(&self) -> String;
    }
    struct School;
    impl Teacher for School {
        async fn ask(&self) -> String {
            let connection = farcall::context().connection().expect("a call came on it");
            let pupil: PupilClient = connection.open().expect("the connection lives");
            pupil.name(2).await.unwrap_err().to_string()
        }
    }
    limited(|| {
        let server = farcall::serve("mem:shapes-back", TeacherServer::new(School)).wait().unwrap();
        let teacher = farcall::connect::<TeacherClient>(server.url())
            .offer(here::PupilServer::new(here::Anna))
            .wait()
            .unwrap();
        let said = teacher.ask().wait().unwrap();
        assert!(said.ends_with("argument times is u16 here, u8 there"), "{said}");
    });
}
