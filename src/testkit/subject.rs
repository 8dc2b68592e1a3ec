//! The services that the suite calls, and their implementation.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::gates::{Gates, Slot};
use crate::{CallError, Error, context};

/// Something with fields.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Upwards.
    pub y: i32,
}

/// Why [`Tested::halve`] fails.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Uneven(pub i64);

impl fmt::Display for Uneven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is uneven", self.0)
    }
}

impl std::error::Error for Uneven {}

/// Why a call back failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cause(pub String);

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Cause(format!("{error:?}"))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

/// What a handler sees of its caller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// The wire.
    pub transport: String,
    /// The caller's user.
    pub uid: Option<u32>,
    /// The caller's process.
    pub pid: Option<u32>,
    /// What is left of the deadline.
    pub left: Option<Duration>,
    /// Whether nobody wants the result.
    pub is_cancelled: bool,
}

impl Seen {
    fn now() -> Self {
        let context = context();
        let peer = context.peer();
        Seen {
            transport: peer.transport.to_owned(),
            uid: peer.uid,
            pid: peer.pid,
            left: context.time_left(),
            is_cancelled: context.cancelled(),
        }
    }
}

/// The service under test.
#[crate::service(crate = "crate")]
pub trait Tested {
    /// What it was given.
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// The same, of a borrowed argument.
    async fn echo_slice(&self, bytes: &[u8]) -> Vec<u8>;
    /// The same on a thread where blocking is allowed.
    #[blocking]
    fn echo_blocking(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// So many bytes.
    async fn produce(&self, bytes: u64) -> Vec<u8>;
    /// Borrowed arguments of several kinds.
    async fn describe(&self, name: &str, at: &Point, note: Option<&str>) -> String;
    /// A plain function.
    fn negate(&self, number: i64) -> i64;
    /// The half of an even number.
    async fn halve(&self, number: i64) -> Result<i64, Uneven>;
    /// Panics.
    async fn panic(&self);
    /// Panics, in a plain function.
    fn panic_plain(&self);
    /// Panics, on a thread where blocking is allowed.
    #[blocking]
    fn panic_blocking(&self);
    /// Stands at a gate until it is opened; gives its number.
    async fn stand(&self, gate: u64) -> u64;
    /// Stands at a gate until the call is cancelled.
    #[blocking]
    fn stand_blocking(&self, gate: u64);
    /// Stands at a gate for ever; dropped, it opens another.
    async fn stand_and_open(&self, gate: u64, opens: u64);
    /// Opens a gate.
    async fn open_gate(&self, gate: u64);
    /// Returns when so many have come to the gate.
    async fn come(&self, gate: u64, many: u64);
    /// Returns when so many have left it.
    async fn left(&self, gate: u64, many: u64);
    /// Appends to the list.
    fn append(&self, number: u64);
    /// The list.
    fn list(&self) -> Vec<u64>;
    /// What the handler sees of its caller.
    async fn seen(&self) -> Seen;
    /// The same, on a thread where blocking is allowed.
    #[blocking]
    fn seen_blocking(&self) -> Seen;
    /// Asks the caller's [`Listener`] to double a number.
    async fn ask_back(&self, number: u64) -> Result<u64, Cause>;
    /// The same by `.wait()`, on a thread where blocking is allowed.
    #[blocking]
    fn ask_back_blocking(&self, number: u64) -> Result<u64, Cause>;
    /// What is left of the deadline here, and then in a call that the handler makes of the caller's [`Listener`].
    async fn nested_deadlines(&self) -> Result<(Duration, Duration), Cause>;
    /// Waits until its deadline has passed, asks the caller's [`Listener`] then, and keeps what comes of it.
    #[blocking]
    fn ask_back_late(&self);
    /// The code and fate of what was asked too late.
    async fn late(&self) -> String;
    /// Asks the server's keeper to shut it down with this grace.
    async fn shut_down(&self, grace: Duration);
}

/// The same service as somebody sees it who knows two methods more.
#[crate::service(crate = "crate", name = "Tested")]
pub(super) trait Grown {
    /// A method that exists.
    fn negate(&self, number: i64) -> i64;
    /// Two that do not.
    fn halve(&self, number: i64) -> i64;
    /// See above.
    fn invert(&self, number: i64) -> i64;
}

/// A second service on the same connection.
#[crate::service(crate = "crate")]
pub trait Other {
    /// The number of characters.
    async fn count(&self, text: &str) -> u64;
}

/// A service that nobody serves.
#[crate::service(crate = "crate")]
pub(super) trait Absent {
    /// Never called.
    fn nothing(&self);
}

/// What the client serves.
#[crate::service(crate = "crate")]
pub trait Listener {
    /// Twice the number.
    async fn double(&self, number: u64) -> u64;
    /// What is left of the deadline.
    async fn left(&self) -> Option<Duration>;
}

/// Serves [`Tested`] and [`Other`]; as a client, [`Listener`].
#[derive(Clone, Debug, Default)]
pub struct Subject {
    gates: Arc<Gates>,
    list: Arc<Mutex<Vec<u64>>>,
    end: Slot<Duration>,
    late: Slot<String>,
}

impl Subject {
    /// Where a wish to shut down arrives.
    pub(super) fn end(&self) -> Slot<Duration> {
        self.end.clone()
    }
}

/// Panics without the noise that a hook would make.
fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

fn listener() -> Result<ListenerClient, Cause> {
    let connection = context().connection().ok_or_else(|| Cause("there is no connection".into()))?;
    Ok(connection.open()?)
}

struct OpenOnDrop<'a>(&'a Gates, u64);

impl Drop for OpenOnDrop<'_> {
    fn drop(&mut self) {
        self.0.open(self.1);
    }
}

impl Tested for Subject {
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn echo_slice(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }
    fn echo_blocking(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn produce(&self, bytes: u64) -> Vec<u8> {
        vec![7; usize::try_from(bytes).unwrap_or(0)]
    }
    async fn describe(&self, name: &str, at: &Point, note: Option<&str>) -> String {
        format!("{name} at {},{} ({})", at.x, at.y, note.unwrap_or("nothing"))
    }
    fn negate(&self, number: i64) -> i64 {
        -number
    }
    async fn halve(&self, number: i64) -> Result<i64, Uneven> {
        if number % 2 == 0 { Ok(number / 2) } else { Err(Uneven(number)) }
    }
    async fn panic(&self) {
        panic_quietly()
    }
    fn panic_plain(&self) {
        panic_quietly()
    }
    fn panic_blocking(&self) {
        panic_quietly()
    }
    async fn stand(&self, gate: u64) -> u64 {
        let _standing = self.gates.stand(gate);
        self.gates.opened(gate).await;
        gate
    }
    fn stand_blocking(&self, gate: u64) {
        let _standing = self.gates.stand(gate);
        let context = context();
        while !context.cancelled() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    async fn stand_and_open(&self, gate: u64, opens: u64) {
        let _opens = OpenOnDrop(&self.gates, opens);
        let _standing = self.gates.stand(gate);
        std::future::pending::<()>().await;
    }
    async fn open_gate(&self, gate: u64) {
        self.gates.open(gate);
    }
    async fn come(&self, gate: u64, many: u64) {
        self.gates.come(gate, many).await;
    }
    async fn left(&self, gate: u64, many: u64) {
        self.gates.left(gate, many).await;
    }
    fn append(&self, number: u64) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(number);
    }
    fn list(&self) -> Vec<u64> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    async fn seen(&self) -> Seen {
        Seen::now()
    }
    fn seen_blocking(&self) -> Seen {
        Seen::now()
    }
    async fn ask_back(&self, number: u64) -> Result<u64, Cause> {
        Ok(listener()?.double(number).await?)
    }
    fn ask_back_blocking(&self, number: u64) -> Result<u64, Cause> {
        Ok(listener()?.double(number).wait()?)
    }
    async fn nested_deadlines(&self) -> Result<(Duration, Duration), Cause> {
        let here = context().time_left().ok_or_else(|| Cause("no deadline here".into()))?;
        let there = listener()?.left().await?.ok_or_else(|| Cause("no deadline there".into()))?;
        Ok((here, there))
    }
    fn ask_back_late(&self) {
        while context().time_left().is_some_and(|left| !left.is_zero()) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let asked = listener().map(|listener| listener.double(1).wait());
        self.late.put(match asked {
            Ok(Err(error)) => format!("{:?}, {:?}", error.code(), error.fate()),
            other => format!("{other:?}"),
        });
    }
    async fn late(&self) -> String {
        self.late.take().await
    }
    async fn shut_down(&self, grace: Duration) {
        self.end.put(grace);
    }
}

impl Other for Subject {
    async fn count(&self, text: &str) -> u64 {
        text.chars().count() as u64
    }
}

impl Listener for Subject {
    async fn double(&self, number: u64) -> u64 {
        number * 2
    }
    async fn left(&self) -> Option<Duration> {
        context().time_left()
    }
}

impl<E: fmt::Display> From<CallError<E>> for Cause {
    fn from(error: CallError<E>) -> Self {
        Cause(error.to_string())
    }
}
