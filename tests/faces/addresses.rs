//! Where a server is reached.

use farcall::{Code, Connection, Error, Server};

use crate::desk::{ClockClient, DeskClient, both, desk, open, says, single, watch};

fn calls(url: &str) -> Result<(), Error> {
    let connection: Connection = farcall::connect(url).wait()?;
    assert_eq!(connection.open::<DeskClient>()?.add(2, 3).wait()?, 5);
    assert_eq!(connection.open::<ClockClient>()?.tick().wait()?, 7);
    Ok(())
}

#[test]
fn port_zero_becomes_the_port_that_the_system_chose() {
    let _watchdog = watch("port_zero_becomes_the_port_that_the_system_chose");
    let server = open("tcp://127.0.0.1:0");
    assert_eq!(server.urls(), [server.url()]);
    let port = server.url().strip_prefix("tcp://127.0.0.1:").and_then(|port| port.parse::<u16>().ok());
    assert!(port.is_some_and(|port| port != 0), "{}", server.url());
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(client.add(1, 1).wait().unwrap(), 2);
}

#[test]
fn two_listeners_on_port_zero_have_two_ports() {
    let _watchdog = watch("two_listeners_on_port_zero_have_two_ports");
    single().block_on(async {
        let server = both().listen("tcp://127.0.0.1:0").listen("tcp://[::1]:0").listen("tcp://127.0.0.1:0");
        let server = server.start().await.unwrap();
        let [one, two, three] = server.urls() else { panic!("{:?}", server.urls()) };
        assert!(one != three && two.starts_with("tcp://[::1]:"), "{:?}", server.urls());
        for url in [one, two, three] {
            let client: DeskClient = farcall::connect(url.as_str()).await.unwrap();
            assert_eq!(client.add(1, 1).await.unwrap(), 2);
        }
    });
}

#[test]
fn every_service_is_reached_by_every_wire() {
    let _watchdog = watch("every_service_is_reached_by_every_wire");
    let directory = tempfile::tempdir().unwrap();
    let path = format!("unix:{}/socket", directory.path().display());
    let server = both().listen("mem:faces-every").listen(path.as_str()).listen("tcp://127.0.0.1:0");
    let server = server.start().wait().unwrap();
    assert_eq!(server.urls()[..2], ["mem:faces-every", path.as_str()]);
    for url in server.urls() {
        calls(url).unwrap();
    }
}

#[test]
fn several_threads_serve_the_same_listener() {
    let _watchdog = watch("several_threads_serve_the_same_listener");
    let server = both().listen("tcp://127.0.0.1:0").threads(3).wait().unwrap();
    for _ in 0..6 {
        calls(server.url()).unwrap();
    }
}

#[test]
fn a_server_of_nothing_nowhere_says_what_is_missing() {
    says(Server::new().add(desk()).wait(), Code::InvalidConfig, &["listen"]);
    let twice = Server::new().add(desk()).add(desk()).listen("mem:faces-twice").wait();
    says(twice, Code::InvalidConfig, &["Desk", "twice"]);
}

#[test]
fn one_bad_address_closes_those_that_were_good() {
    let _watchdog = watch("one_bad_address_closes_those_that_were_good");
    let server = both().listen("mem:faces-good").listen("nothing:at-all").wait();
    says(server, Code::InvalidConfig, &["nothing:at-all"]);
    says(farcall::connect::<DeskClient>("mem:faces-good").wait(), Code::Unavailable, &["mem:faces-good"]);
    drop(open("mem:faces-good"));
}
