//! Handlers that call back on their own connection, in every pairing of drivers, and how deep that goes.

#[expect(unreachable_pub, reason = "shared by several test binaries")]
mod peers;

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use farcall::{Call, CallError, Client, Code, Connection, Fate};
use peers::watch;
use tokio::runtime::{Builder, Runtime};

/// How a flight of stairs ended, if not at its foot.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stumble {
    code: String,
    fate: String,
}

/// Both sides serve it: each step is a call of the other side.
#[farcall::service]
pub trait Stairs {
    /// So many steps, each a call of the other side.
    async fn down(&self, steps: u32) -> Result<u32, Stumble>;
}

/// Whether a handler awaits its callback or waits for it in place.
#[derive(Clone, Copy)]
enum Manner {
    Awaits,
    Waits,
}

struct Flight {
    manner: Manner,
    other: OnceLock<StairsClient>,
}

impl Flight {
    fn server(manner: Manner) -> StairsServer<Flight> {
        StairsServer::new(Flight { manner, other: OnceLock::new() })
    }

    /// The other side's stairs, opened once.
    fn other(&self) -> &StairsClient {
        self.other.get_or_init(|| {
            let connection = farcall::context().connection().expect("a handler has a connection");
            connection.open().expect("it is open")
        })
    }
}

impl Stairs for Flight {
    /// So many steps, each a call of the other side.
    async fn down(&self, steps: u32) -> Result<u32, Stumble> {
        if steps == 0 {
            return Ok(0);
        }
        let call = self.other().down(steps - 1);
        let result = match self.manner {
            Manner::Awaits => call.await,
            Manner::Waits => call.wait(),
        };
        result.map(|below| below + 1).map_err(stumble)
    }
}

fn stumble(error: CallError<Stumble>) -> Stumble {
    match error.into_parts() {
        Ok(stumble) => stumble,
        Err(error) => Stumble { code: format!("{:?}", error.code()), fate: format!("{:?}", error.fate()) },
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn refused() -> Stumble {
    Stumble { code: format!("{:?}", Code::Overloaded), fate: format!("{:?}", Fate::NotExecuted) }
}

/// A client that waits, with handlers that wait in its calls, and a server on `runtime` or a thread of its own.
fn waiting_client(
    server: Manner,
    runtime: Option<&Runtime>,
) -> (farcall::ServerHandle, Connection, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}", directory.path().join("s").display());
    let server = farcall::serve(url, Flight::server(server));
    let server = match runtime {
        Some(runtime) => runtime.block_on(async { server.await }).unwrap(),
        None => server.wait().unwrap(),
    };
    let connection: Connection =
        farcall::connect(server.url()).offer(Flight::server(Manner::Waits)).wait().unwrap();
    (server, connection, directory)
}

fn ask(connection: &Connection, steps: u32) -> Result<u32, Stumble> {
    let stairs: StairsClient = connection.open().unwrap();
    stairs.down(steps).wait().map_err(stumble)
}

#[test]
fn callbacks_run_in_a_waiting_thread_to_a_depth_of_eight_and_no_further() {
    let _dog = watch(30);
    let runtime = two_workers();
    for on in [None, Some(&runtime)] {
        let (_server, connection, _directory) = waiting_client(Manner::Awaits, on);
        // Of two steps, one is a callback that nests on the thread that waits.
        for steps in 0..=16 {
            assert_eq!(ask(&connection, steps), Ok(steps));
        }
        assert_eq!(ask(&connection, 17), Err(refused()));
        assert_eq!(ask(&connection, 1000), Err(refused()));
        assert_eq!(ask(&connection, 16), Ok(16), "a refusal leaves the connection as it was");
    }
}

#[test]
fn handlers_of_both_sides_may_wait_for_callbacks() {
    let _dog = watch(30);
    let (_server, connection, _directory) = waiting_client(Manner::Waits, None);
    for steps in 0..=16 {
        assert_eq!(ask(&connection, steps), Ok(steps));
    }
    assert_eq!(ask(&connection, 1000), Err(refused()));
    assert_eq!(ask(&connection, 3), Ok(3));
}

#[test]
fn threads_that_wait_on_one_connection_have_each_their_own_callbacks() {
    let _dog = watch(30);
    let (_server, connection, _directory) = waiting_client(Manner::Awaits, None);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|n| assert_eq!(ask_often(&connection, n % 7), Ok(n % 7))));
        }
    });
}

/// As [`ask`], with a client that is opened once.
fn ask_often(connection: &Connection, steps: u32) -> Result<u32, Stumble> {
    thread_local!(static STAIRS: OnceLock<StairsClient> = const { OnceLock::new() });
    let call: Call<u32, CallError<Stumble>> =
        STAIRS.with(|stairs| stairs.get_or_init(|| connection.open().unwrap()).down(steps));
    call.wait().map_err(stumble)
}

/// Ten thousand calls, each made by the handler of the one before, with little stack.
fn ten_thousand(server_runtime: Option<Runtime>, client_runtime: fn() -> Runtime) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}?window=20000", directory.path().join("s").display());
    let server = farcall::serve(url, Flight::server(Manner::Awaits));
    let server = match &server_runtime {
        Some(runtime) => runtime.block_on(async { server.await }).unwrap(),
        None => server.wait().unwrap(),
    };
    let url = format!("{}?window=20000", server.url());
    let client = move || {
        client_runtime().block_on(async {
            let connect = farcall::connect(url).offer(Flight::server(Manner::Awaits));
            let stairs: StairsClient = connect.await.unwrap();
            let call = stairs.down(10_000).deadline(Duration::from_secs(60));
            assert_eq!(call.await.map_err(stumble), Ok(10_000));
            assert_eq!(stairs.with_deadline(Duration::from_secs(60)).down(3).await.map_err(stumble), Ok(3));
        });
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(client).unwrap().join().unwrap();
}

#[test]
fn ten_thousand_nested_calls_do_not_grow_the_stack_of_a_servers_thread() {
    let _dog = watch(60);
    ten_thousand(None, one_thread);
}

#[test]
fn ten_thousand_nested_calls_do_not_grow_the_stack_of_a_runtime() {
    let _dog = watch(60);
    let little = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(256 * 1024)
        .enable_all()
        .build()
        .unwrap();
    ten_thousand(Some(little), one_thread);
    ten_thousand(Some(one_driven_elsewhere()), one_thread);
}

fn one_driven_elsewhere() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_stack_size(256 * 1024).enable_all().build().unwrap()
}
