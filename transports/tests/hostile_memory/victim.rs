//! The process that is attacked: it serves, connects when it is told to, and says how it is.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use farcall::{Connection, Error};

/// The test of this binary that the process stands in.
const STAGE: &str = "plays_the_victim_when_asked";

const DIRECTORY: &str = "FARCALL_VICTIM";

/// Bytes of the largest message that the victim takes.
pub(crate) const MESSAGE: usize = 1 << 20;

/// How the process is.
#[derive(serde::Serialize, serde::Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Memory in use, in KiB.
    pub(crate) memory: u64,
    /// The most that was in use since the last time, in KiB.
    pub(crate) peak: u64,
    pub(crate) descriptors: usize,
}

#[farcall::service]
pub(crate) trait Victim {
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Remembers the caller's connection under this number.
    async fn mark(&self, number: u64);
    async fn blob(&self, bytes: usize) -> Vec<u8>;
    async fn hang(&self);
    /// Why the connection with this number has ended, if it has.
    async fn end_of(&self, number: u64) -> Option<String>;
    async fn vitals(&self) -> Vitals;
    /// Connects and calls, by waiting; what came of it.
    #[blocking]
    fn visit(&self, url: String, bytes: usize, milliseconds: u64) -> String;
    /// Connects and calls, as a task; what came of it.
    async fn call_on(&self, url: String, bytes: usize, milliseconds: u64) -> String;
}

/// What a server is asked for by a victim that visits it.
#[farcall::service(name = "Trap")]
trait Trap {
    async fn weigh(&self, bytes: Vec<u8>) -> Vec<u8>;
}

#[derive(Default)]
struct Marks(Mutex<HashMap<u64, Connection>>);

impl Victim for Marks {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn mark(&self, number: u64) {
        let connection = farcall::context().connection().expect("a handler has a connection");
        self.0.lock().expect("nobody panics").insert(number, connection);
    }

    async fn blob(&self, bytes: usize) -> Vec<u8> {
        vec![7; bytes.min(MESSAGE)]
    }

    async fn hang(&self) {
        std::future::pending().await
    }

    async fn end_of(&self, number: u64) -> Option<String> {
        let mut marks = self.0.lock().expect("nobody panics");
        let connection = marks.get(&number)?;
        // A connection that lives lets a service be opened on it.
        let error = connection.open::<TrapClient>().err()?;
        marks.remove(&number);
        Some(told(&error))
    }

    async fn vitals(&self) -> Vitals {
        let vitals = vitals();
        // From here on the peak is counted anew.
        std::fs::write("/proc/self/clear_refs", "5").expect("the peak can be forgotten");
        vitals
    }

    fn visit(&self, url: String, bytes: usize, milliseconds: u64) -> String {
        let outcome = farcall::connect::<TrapClient>(url)
            .wait()
            .and_then(|trap| trap.weigh(vec![1; bytes]).deadline(Duration::from_millis(milliseconds)).wait());
        outcome.map_or_else(|error| told(&error), |answer| format!("{} bytes", answer.len()))
    }

    async fn call_on(&self, url: String, bytes: usize, milliseconds: u64) -> String {
        let outcome = match farcall::connect::<TrapClient>(url).into_future().await {
            Ok(trap) => trap.weigh(vec![1; bytes]).deadline(Duration::from_millis(milliseconds)).await,
            Err(error) => Err(error),
        };
        outcome.map_or_else(|error| told(&error), |answer| format!("{} bytes", answer.len()))
    }
}

fn told(error: &Error) -> String {
    format!("{:?}, {:?}: {error}", error.code(), error.fate())
}

fn vitals() -> Vitals {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").count();
    Vitals { memory: line("VmRSS:"), peak: line("VmHWM:"), descriptors }
}

/// The doors of a victim: of a server on threads, and of one on a runtime.
pub(crate) const HOSTS: [&str; 2] = ["threads", "runtime"];

/// Serves until the parent lets go, if this process was started for that.
pub(crate) fn play_if_asked() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    // A panic anywhere is the end, and the test sees it.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        std::process::abort();
    }));
    let server = |host: &str| {
        let url = |scheme| format!("{scheme}:{directory}/{host}-{scheme}?max_message={MESSAGE}");
        farcall::Server::new().add(VictimServer::new(Marks::default())).listen(url("shm")).listen(url("unix"))
    };
    let _threads = server(HOSTS[0]).wait().expect("the victim can serve");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _tasks = runtime.block_on(server(HOSTS[1]).into_future()).expect("the victim can serve");
    println!("\nthe victim is at its place");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// A victim in another process, killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(directory: &Path) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("a test knows itself"));
        command.args(["--exact", STAGE, "--nocapture", "--test-threads=1"]).env(DIRECTORY, directory);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let is_there = |line: std::io::Result<String>| line.is_ok_and(|line| line.contains("at its place"));
        assert!(said.lines().any(is_there), "the victim could not serve");
        Process(child)
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
