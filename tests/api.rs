//! What the types of the faces promise: where they may be sent, how long they may be kept, what they leave to the service.

use std::future::{Future, IntoFuture};

use farcall::{Call, CallError, Client, Connect, Connection, Error, Server, ServerHandle};

#[farcall::service]
#[allow(clippy::wrong_self_convention)]
trait Crowded {
    async fn new(&self) -> u8;
    async fn connect(&self) -> u8;
    async fn connection(&self) -> u8;
    async fn close(&self) -> u8;
    async fn clone(&self) -> u8;
    async fn wait(&self) -> u8;
    async fn poll(&self) -> u8;
    async fn url(&self) -> u8;
    async fn with_deadline(&self, by: u8) -> u8;
    async fn r#type(&self) -> Result<u8, String>;
}

struct Crowd;

impl Crowded for Crowd {
    async fn new(&self) -> u8 {
        1
    }
    async fn connect(&self) -> u8 {
        2
    }
    async fn connection(&self) -> u8 {
        3
    }
    async fn close(&self) -> u8 {
        4
    }
    async fn clone(&self) -> u8 {
        5
    }
    async fn wait(&self) -> u8 {
        6
    }
    async fn poll(&self) -> u8 {
        7
    }
    async fn url(&self) -> u8 {
        8
    }
    async fn with_deadline(&self, by: u8) -> u8 {
        by
    }
    async fn r#type(&self) -> Result<u8, String> {
        Err("none".into())
    }
}

fn goes_anywhere<T: Send + 'static>(_: &T) {}
fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
fn is_future<T>(_: &(impl Future<Output = T> + Send + 'static)) {}

#[test]
fn handles_and_calls_go_anywhere() {
    let server = farcall::serve("mem:api", CrowdedServer::new(Crowd)).wait().unwrap();
    goes_anywhere(&server);
    goes_anywhere(&server.join());
    let client: CrowdedClient = farcall::connect("mem:api").wait().unwrap();
    is_shared(&client);
    is_shared(&Client::connection(&client));
    is_future::<Result<u8, Error>>(&client.new());
    is_future::<Result<u8, CallError<String>>>(&client.r#type());
    goes_anywhere(&farcall::connect::<Connection>("mem:api").into_future());
    goes_anywhere(&farcall::serve("mem:other", CrowdedServer::new(Crowd)).into_future());
    fn shared<T: Send + Sync>() {}
    shared::<Error>();
    shared::<CallError<String>>();
    shared::<Connect<Connection>>();
    shared::<Server>();
    shared::<ServerHandle>();
}

#[test]
fn a_call_outlives_its_client_and_borrows_nothing() {
    let server = farcall::serve("mem:api-outlives", CrowdedServer::new(Crowd)).wait().unwrap();
    let call: Call<u8> = {
        let client: CrowdedClient = farcall::connect(server.url()).wait().unwrap();
        client.with_deadline(9)
    };
    let waited = std::thread::spawn(move || call.wait());
    assert_eq!(waited.join().unwrap(), Ok(9));
}

#[test]
fn no_method_of_a_service_clashes_with_a_face() {
    let server = farcall::serve("mem:api-names", CrowdedServer::new(Crowd)).wait().unwrap();
    let client: CrowdedClient = farcall::connect(server.url()).wait().unwrap();
    let calls = [
        client.new(),
        client.connect(),
        client.connection(),
        client.close(),
        client.clone(),
        client.wait(),
        client.poll(),
        client.url(),
        client.with_deadline(9),
    ];
    let results: Result<Vec<u8>, Error> = farcall::submit_all(calls).into_iter().map(Call::wait).collect();
    assert_eq!(results, Ok((1..=9).collect()));
    assert_eq!(client.r#type().wait(), Err(CallError::Service("none".into())));
    assert_eq!(Client::url(&client), "mem:api-names");
    Client::close(&client).wait().unwrap();
    assert!(client.new().wait().is_err());
}
