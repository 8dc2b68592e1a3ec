//! Connections over several wires behind one client.

use farcall::testkit::block_on;
use farcall::{Client, Code, Connection, Fate};

use crate::crew::{CrewClient, CrewServer, Worker, watch, workers};

fn serve(url: &str) -> farcall::ServerHandle {
    farcall::serve(url, CrewServer::new(Worker)).wait().unwrap()
}

#[test]
fn a_pool_spans_wires_and_outlives_its_servers() {
    let _watchdog = watch("a_pool_spans_wires_and_outlives_its_servers");
    let scratch = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}/socket", scratch.path().display());
    let mut servers = vec![serve("mem:pool-spans"), serve("tcp://127.0.0.1:0"), serve(&unix)];
    let urls: Vec<String> = servers.iter().map(|server| server.url().to_owned()).collect();
    let client: CrewClient = farcall::pool(urls).wait().unwrap();
    while let Some(server) = servers.pop() {
        assert_eq!(client.sum(0, 10).wait(), Ok(45));
        drop(server);
    }
    let error = client.pid().wait().unwrap_err();
    assert!(error.fate().is_safe_to_retry(), "{error:?}");
    let _server = serve(&unix);
    while client.pid().wait().is_err() {}
}

#[test]
fn connections_that_spin_keep_nobody_from_the_processor() {
    let _watchdog = watch("connections_that_spin_keep_nobody_from_the_processor");
    let scratch = tempfile::tempdir().unwrap();
    let url = |wire: &str| format!("{wire}:{}/{wire}?wait=spin", scratch.path().display());
    for wire in ["unix", "shm"] {
        let server = serve(&url(wire));
        let client: CrewClient = farcall::connect(format!("{}&n=6", url(wire))).wait().unwrap();
        for n in 0..300 {
            assert_eq!(client.sum(0, n).wait(), Ok((0..n).sum()));
        }
        drop(server);
    }
    // Both sides on one thread: whoever looks again lets the other have its turn.
    let both = async {
        let url = url("unix");
        let _server = farcall::serve(&url, CrewServer::new(Worker)).await.unwrap();
        let client: CrewClient = farcall::connect(format!("{url}&n=3")).await.unwrap();
        for n in 0..300 {
            assert_eq!(client.sum(0, n).await, Ok((0..n).sum()));
        }
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(both);
}

#[test]
fn one_that_answers_is_enough() {
    let _watchdog = watch("one_that_answers_is_enough");
    let _server = serve("mem:pool-enough");
    let client: CrewClient = farcall::pool(["mem:pool-nobody", "mem:pool-enough"]).wait().unwrap();
    assert_eq!(client.sum(0, 3).wait(), Ok(3));
    let error = farcall::pool::<Connection>(["mem:pool-nobody"]).wait().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let none: [&str; 0] = [];
    assert_eq!(farcall::pool::<Connection>(none).wait().unwrap_err().code(), Code::InvalidConfig);
}

/// The crew of a server that does not know all methods.
#[farcall::service(name = "Crew")]
trait Novices {
    fn pid(&self) -> u32;
}

struct Novice;

impl Novices for Novice {
    fn pid(&self) -> u32 {
        0
    }
}

#[test]
fn a_call_that_is_sent_again_is_never_more_certain_than_where_it_was_sent_first() {
    let _watchdog = watch("a_call_that_is_sent_again_is_never_more_certain_than_where_it_was_sent_first");
    let scratch = tempfile::tempdir().unwrap();
    let _novice = farcall::serve("mem:pool-novice", NovicesServer::new(Novice)).wait().unwrap();
    let urls = [workers("", "restart=never"), "mem:pool-novice".to_owned()];
    let client: CrewClient = farcall::pool(urls).wait().unwrap();
    for number in 0.. {
        let path = scratch.path().join(number.to_string());
        // The worker ends in the call, which is sent again to somebody who refuses it.
        let error = client.leave_once(path.display().to_string()).wait().unwrap_err();
        if path.exists() {
            assert_eq!(error.code(), Code::UnknownMethod);
            assert!(!error.fate().is_safe_to_retry(), "it ran: {error:?}");
            return;
        }
    }
}

#[test]
fn a_pool_lives_on_a_runtime_and_on_none() {
    let _watchdog = watch("a_pool_lives_on_a_runtime_and_on_none");
    let _server = serve("mem:pool-runtime");
    let calls = async || {
        let client: CrewClient = farcall::connect("mem:pool-runtime?n=3").await.unwrap();
        let connection = client.connection();
        let another: CrewClient = connection.open().unwrap();
        let mut calls = farcall::submit_all((0..100).map(|n| another.sum(0, n)));
        for (n, call) in calls.drain(..).enumerate() {
            assert_eq!(call.await, Ok((0..n as u64).sum()));
        }
        client.close().await.unwrap();
        assert_eq!(client.pid().await.unwrap_err().fate(), Fate::NotSent);
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(calls());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(calls());
    block_on(calls());
}
