//! Options: the call's word before the handle's, the URL's before the builder's.

use std::time::Duration;

use farcall::{Client, Code, Fate};

use crate::desk::{DeskClient, both, open, says, watch};

fn left(client: &DeskClient) -> u64 {
    client.left().wait().unwrap()
}

#[test]
fn the_nearer_word_on_a_deadline_is_the_stronger() {
    let _watchdog = watch("the_nearer_word_on_a_deadline_is_the_stronger");
    let server = open("tcp://127.0.0.1:0");
    let builder = |url: &str| farcall::connect::<DeskClient>(url).deadline(Duration::from_secs(200));
    let by_default: DeskClient = farcall::connect(server.url()).wait().unwrap();
    assert!((20_000..=30_000).contains(&left(&by_default)), "{}", left(&by_default));
    let by_builder = builder(server.url()).wait().unwrap();
    assert!((100_000..=200_000).contains(&left(&by_builder)), "{}", left(&by_builder));
    let by_url = builder(&format!("{}?deadline=2m", server.url())).wait().unwrap();
    assert!((100_000..=120_000).contains(&left(&by_url)), "{}", left(&by_url));
    let by_handle = by_url.with_deadline(Duration::from_secs(60));
    assert!((40_000..=60_000).contains(&left(&by_handle)), "{}", left(&by_handle));
    let by_call = by_handle.left().deadline(Duration::from_secs(15)).wait().unwrap();
    assert!((5_000..=15_000).contains(&by_call), "{by_call}");
}

#[test]
fn the_url_of_a_server_limits_its_messages() {
    let _watchdog = watch("the_url_of_a_server_limits_its_messages");
    let server = both().max_message(1 << 20).listen("mem:faces-limit?max_message=1KiB");
    let server = server.listen("tcp://127.0.0.1:0").wait().unwrap();
    assert_eq!(server.url(), "mem:faces-limit");
    let strict: farcall::Connection = farcall::connect(server.url()).wait().unwrap();
    let wide: farcall::Connection = farcall::connect(server.urls()[1].as_str()).wait().unwrap();
    let text = "x".repeat(5000);
    says(strict.open::<LongClient>().unwrap().long(&text).wait(), Code::TooLarge, &["1024", "5003"]);
    let there = wide.open::<LongClient>().unwrap().long(&text).wait().unwrap_err();
    assert_eq!((there.code(), there.fate().is_safe_to_retry()), (Code::UnknownService, true));
}

#[test]
fn the_url_of_a_client_limits_its_results() {
    let _watchdog = watch("the_url_of_a_client_limits_its_results");
    let server = open("tcp://127.0.0.1:0");
    let url = format!("{}?max_message=2KiB", server.url());
    let client: DeskClient = farcall::connect(url).max_message(1 << 20).wait().unwrap();
    assert_eq!(client.produce(2000).wait().unwrap().len(), 2000);
    let error = client.produce(4000).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::TooLarge, Fate::Completed), "{error:?}");
}

#[test]
fn a_full_window_fails_at_once_if_asked_to() {
    let _watchdog = watch("a_full_window_fails_at_once_if_asked_to");
    let server = open("tcp://127.0.0.1:0?window=2");
    let client: DeskClient = farcall::connect(format!("{}?full=fail", server.url())).wait().unwrap();
    let stuck = farcall::submit_all([client.stick(1), client.stick(2)]);
    says(client.add(1, 1).wait(), Code::Overloaded, &["2 in flight"]);
    drop(stuck);
}

#[test]
fn a_full_window_opens_again_for_who_fails_at_once() {
    let _watchdog = watch("a_full_window_opens_again_for_who_fails_at_once");
    let server = open("tcp://127.0.0.1:0?window=1");
    let client: DeskClient = farcall::connect(format!("{}?full=fail", server.url())).wait().unwrap();
    drop(client.stick(1).submit());
    let sum = loop {
        match client.add(1, 2).wait() {
            Err(error) if error.code() == Code::Overloaded => std::thread::yield_now(),
            ended => break ended,
        }
    };
    assert_eq!(sum, Ok(3));
}

#[test]
fn a_decode_budget_refuses_what_would_take_more() {
    let _watchdog = watch("a_decode_budget_refuses_what_would_take_more");
    let server = open("tcp://127.0.0.1:0");
    let url = format!("{}?decode_budget=4KiB", server.url());
    let client: DeskClient = farcall::connect(url).wait().unwrap();
    assert_eq!(client.produce(1000).wait().unwrap().len(), 1000);
    let error = client.produce(100_000).wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::BadRequest, Fate::Completed), "{error:?}");
    assert!(error.to_string().contains("decode_budget"), "{error}");
    assert!(error.to_string().starts_with("Desk.produce on tcp://127.0.0.1:"), "{error}");
}

#[farcall::service]
trait Long {
    async fn long(&self, text: &str);
}
