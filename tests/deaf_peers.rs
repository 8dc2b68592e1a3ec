//! Peers that take nothing more: what waits for them ends when its time has come.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use farcall::testkit::Watchdog;
use farcall::{Code, Fate};

const LIMIT: Duration = Duration::from_secs(20);

/// Where the flags of a hello begin in its frame.
const HELLO_FLAGS: usize = 16 + 8;

#[farcall::service]
trait Scale {
    async fn weigh(&self, bytes: Vec<u8>) -> u64;
}

/// A server's end that has greeted and reads no further, and a client of it.
fn deaf() -> (UnixStream, ScaleClient) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        // Preface and hello, which the server answers with the same, but for whose it is.
        let mut said = vec![0; 8 + 4];
        socket.read_exact(&mut said).unwrap();
        let mut hello = vec![0; u32::from_le_bytes(*said.last_chunk().unwrap()) as usize];
        socket.read_exact(&mut hello).unwrap();
        hello[HELLO_FLAGS] ^= 6;
        socket.write_all(&[said, hello].concat()).unwrap();
        socket
    });
    let scale = farcall::connect(format!("unix:{}", path.display())).wait().unwrap();
    (server.join().unwrap(), scale)
}

#[test]
fn a_call_that_does_not_leave_ends_at_its_deadline() {
    let _watchdog = Watchdog::new(LIMIT);
    let (_server, scale) = deaf();
    let began = Instant::now();
    let call = || scale.weigh(vec![0; 8 << 20]).deadline(Duration::from_millis(50));
    let error = call().wait().unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent));
    // And so does another behind it, as a task.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { call().await.unwrap_err() });
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
