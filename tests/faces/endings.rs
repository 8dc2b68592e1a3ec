//! A server ends when it is told to, whatever handlers and peers do.

use std::time::{Duration, Instant};

use farcall::testkit::block_on;
use farcall::{Call, Client, Code, Connection, Fate, submit_all};

use crate::desk::{DeskClient, DeskServer, Office, multi, open, watch};

const GRACE: Duration = Duration::from_millis(100);

/// What a shutdown may take beyond its grace, and what a busy machine may add.
const MARGIN: Duration = Duration::from_millis(1500);

#[track_caller]
fn in_time(began: Instant) {
    assert!(began.elapsed() < GRACE + MARGIN, "the shutdown took {:?}", began.elapsed());
}

/// What stands in the way of a shutdown.
enum Obstacle {
    Handler,
    BlockingHandler,
    SilentClient,
}

/// A client whose calls keep the server busy.
fn obstruct(url: &str, office: &Office, obstacle: &Obstacle) -> (DeskClient, Vec<Call<()>>) {
    let client: DeskClient = farcall::connect(url).wait().unwrap();
    let calls = match obstacle {
        Obstacle::Handler => vec![client.stick(1)],
        Obstacle::BlockingHandler => vec![client.stick_blocking(1)],
        Obstacle::SilentClient => {
            for call in submit_all((0..64).map(|_| client.produce(1 << 20))) {
                call.detach().unwrap();
            }
            Vec::new()
        }
    };
    let calls = submit_all(calls);
    block_on(office.stuck.opened(if calls.is_empty() { 1 << 20 } else { 1 }));
    (client, calls)
}

fn blocking_server_ends(obstacle: &Obstacle, url: &str) {
    let office = Office::default();
    let server = farcall::serve(url, DeskServer::new(office.clone())).wait().unwrap();
    let (client, calls) = obstruct(server.url(), &office, obstacle);
    let join = server.join();
    let began = Instant::now();
    server.shutdown(GRACE).wait().unwrap();
    in_time(began);
    join.wait().unwrap();
    after(client, calls, &office);
}

fn async_server_ends(obstacle: &Obstacle, url: &str) {
    let office = Office::default();
    let runtime = multi();
    let server = runtime.block_on(async { farcall::serve(url, DeskServer::new(office.clone())).await });
    let server = server.unwrap();
    let (client, calls) = obstruct(server.url(), &office, obstacle);
    let join = server.join();
    let began = Instant::now();
    runtime.block_on(async { server.shutdown(GRACE).await }).unwrap();
    in_time(began);
    runtime.block_on(join).unwrap();
    after(client, calls, &office);
    drop(runtime);
}

/// The caller is told that its call had begun.
fn after(client: DeskClient, calls: Vec<Call<()>>, office: &Office) {
    for call in calls {
        let error = call.wait().unwrap_err();
        assert!(matches!(error.fate(), Fate::Started | Fate::Unknown), "{error:?}");
    }
    let error = client.add(1, 1).wait().unwrap_err();
    // TCP takes the call before the end is heard of.
    let may_be_unknown = client.transport() == "tcp" && error.fate() == Fate::Unknown;
    assert!(may_be_unknown || error.fate().is_safe_to_retry(), "{error:?}");
    office.gates.open(1);
}

macro_rules! shutdown_is_in_time {
    ($($name:ident: $ends:ident $obstacle:ident;)*) => {$(
        #[test]
        fn $name() {
            let _watchdog = watch(stringify!($name));
            $ends(&Obstacle::$obstacle, concat!("unix:@farcall-faces-", stringify!($name)));
            $ends(&Obstacle::$obstacle, "tcp://127.0.0.1:0");
        }
    )*};
}

shutdown_is_in_time! {
    a_thread_does_not_wait_for_a_stuck_handler: blocking_server_ends Handler;
    a_thread_does_not_wait_for_a_blocking_handler: blocking_server_ends BlockingHandler;
    a_thread_does_not_wait_for_a_client_that_never_reads: blocking_server_ends SilentClient;
    a_runtime_does_not_wait_for_a_stuck_handler: async_server_ends Handler;
    a_runtime_does_not_wait_for_a_blocking_handler: async_server_ends BlockingHandler;
    a_runtime_does_not_wait_for_a_client_that_never_reads: async_server_ends SilentClient;
}

#[test]
fn an_idle_server_does_not_use_up_its_grace() {
    let _watchdog = watch("an_idle_server_does_not_use_up_its_grace");
    let server = open("tcp://127.0.0.1:0");
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(client.add(1, 1).wait().unwrap(), 2);
    let began = Instant::now();
    server.shutdown(Duration::from_secs(20)).wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn dropping_the_handle_ends_calls_and_joins() {
    let _watchdog = watch("dropping_the_handle_ends_calls_and_joins");
    let office = Office::default();
    let server = farcall::serve("tcp://127.0.0.1:0", DeskServer::new(office.clone())).wait().unwrap();
    let (join, url) = (server.join(), server.url().to_owned());
    let (_client, calls) = obstruct(&url, &office, &Obstacle::Handler);
    drop(server);
    join.wait().unwrap();
    for call in calls {
        assert!(matches!(call.wait().unwrap_err().fate(), Fate::Started | Fate::Unknown));
    }
    let error = farcall::connect::<Connection>(url).wait().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

#[test]
fn a_server_of_one_link_ends_with_it() {
    let _watchdog = watch("a_server_of_one_link_ends_with_it");
    let (ours, theirs) = farcall::pipe_pair().unwrap();
    let server = open(&theirs.into_url());
    let client: DeskClient = farcall::connect(ours.into_url()).wait().unwrap();
    assert_eq!(client.add(1, 1).wait().unwrap(), 2);
    drop(client);
    server.join().wait().unwrap();
}
