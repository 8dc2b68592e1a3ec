//! The Farcall subjects: one service, its server process, and where client and server meet on each wire.

mod answers;
mod caller;
mod client;
mod idle;
mod many;
mod polite;
mod pool;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::Duration;

use ::farcall::Code;
use rustix::process::getpid;
use tokio::runtime::{Builder, Runtime};

use crate::case::{Case, Op, Style, Waiting, Wire};
use crate::measure::Sample;
use crate::peer::{Part, Peer, Role};

/// What the server process answers.
#[::farcall::service]
pub(crate) trait Echo {
    /// The null call.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Sends the bytes back.
    async fn echo(&self, bytes: &[u8]) -> Vec<u8>;
    /// The server's process, whose CPU time is measured.
    async fn process(&self) -> i32;
}

struct Answers;

impl Echo for Answers {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    async fn echo(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    async fn process(&self) -> i32 {
        getpid().as_raw_nonzero().get()
    }
}

/// Whether `shm:` is a wire of this build.
static KNOWS_SHM: LazyLock<bool> = LazyLock::new(|| {
    let nobody = ::farcall::connect::<EchoClient>("shm:/nonexistent/farcall-bench").wait();
    nobody.is_err_and(|error| error.code() != Code::InvalidConfig)
});

/// Whether this build of the library has the wire.
pub(crate) fn accepts(case: Case) -> bool {
    case.wire != Wire::Shm || *KNOWS_SHM
}

/// The client of a Farcall case; of an idle one, the slice is its rest.
pub(crate) fn call(
    part: &Part,
    case: Case,
    server_core: Option<usize>,
    slice: Duration,
) -> io::Result<Sample> {
    let directory = part.directory.as_deref().unwrap_or_else(|| Path::new("."));
    let meeting = Meeting::arrange(case, server_core, directory)?;
    let url = format!("{}{}", meeting.url, policy(case.waiting, &meeting.url));
    match case.op {
        Op::Null | Op::Echo => client::call(case, &url, slice),
        Op::Polite => polite::call(case, &url, slice),
        Op::Idle => idle::call(case, &url, slice),
        Op::Many => many::call(case, &url, slice),
        Op::Pool => pool::call(case, &url, slice),
    }
}

/// The server of a Farcall case: answers until the client goes or kills it.
pub(crate) fn serve(part: &Part, case: Case) -> io::Result<()> {
    let url = part.url.clone().unwrap_or_else(|| String::from("stdio:"));
    let url = format!("{url}{}", policy(case.waiting, &url));
    match case.style {
        Style::Wait => {
            let server = ::farcall::serve(&url, EchoServer::new(Answers)).wait().map_err(io::Error::other)?;
            announce(case.wire, server.url())?;
            server.join().wait().map_err(io::Error::other)
        }
        Style::Await => runtime()?.block_on(async {
            let server = ::farcall::serve(&url, EchoServer::new(Answers)).await.map_err(io::Error::other)?;
            announce(case.wire, server.url())?;
            server.join().await.map_err(io::Error::other)
        }),
    }
}

/// A client's or server's current-thread runtime.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The query that chooses the waiting policy.
fn policy(waiting: Waiting, url: &str) -> String {
    format!("{}wait={}", if url.contains('?') { '&' } else { '?' }, waiting.word())
}

/// Tells the client where the server listens, on wires that have an address.
fn announce(wire: Wire, url: &str) -> io::Result<()> {
    if !matches!(wire, Wire::Pipe | Wire::Exec) {
        println!("{url}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// Where the client connects, and the process that must live meanwhile.
#[derive(Debug)]
struct Meeting {
    url: String,
    /// The server, unless the wire itself starts one.
    _server: Option<Peer>,
}

impl Meeting {
    fn arrange(case: Case, core: Option<usize>, directory: &Path) -> io::Result<Self> {
        let part = Part { core, ..Part::of(Role::Server, case) };
        match case.wire {
            Wire::Unix => {
                // An abstract name leaves nothing behind when this process is killed.
                Self::announced(part, format!("unix:@farcall-bench-{}", getpid().as_raw_nonzero()))
            }
            Wire::Tcp => Self::announced(part, String::from("tcp://127.0.0.1:0")),
            Wire::Mailbox => {
                let url = format!("mailbox:/farcall-bench-{}?take=64", getpid().as_raw_nonzero());
                Self::announced(part, url)
            }
            Wire::Shm | Wire::Posix | Wire::SystemV | Wire::Mmap | Wire::Mq | Wire::Fifo => {
                let path = directory.join(getpid().as_raw_nonzero().to_string());
                let path = escaped(&path.display().to_string());
                let url = match case.wire {
                    Wire::Posix => format!("shm:{path}?memory=posix&trust=trusted"),
                    Wire::SystemV => format!("shm:{path}?memory=sysv"),
                    Wire::Mmap => format!("mmap:{path}?trust=trusted"),
                    other => format!("{}:{path}", other.word()),
                };
                Self::announced(part, url)
            }
            Wire::Exec => {
                let program = std::env::current_exe()?;
                let query: Vec<String> =
                    part.arguments().iter().map(|text| format!("arg={}", escaped(text))).collect();
                let query = query.join("&");
                let url = format!("exec:{}?{query}", escaped(&program.display().to_string()));
                Ok(Self { url, _server: None })
            }
            Wire::Pipe => {
                let (ours, theirs) = ::farcall::pipe_pair().map_err(io::Error::other)?;
                let server = Peer::start_with_pipes(&part, theirs)?;
                Ok(Self { url: ours.into_url(), _server: Some(server) })
            }
            Wire::CacheLine => Err(io::Error::other("no calls go over a single cache line")),
        }
    }

    /// Starts a server that says on its stdout where it listens.
    fn announced(part: Part, url: String) -> io::Result<Self> {
        let (output, input) = io::pipe()?;
        let part = Part { url: Some(url), ..part };
        let server = Peer::start(&part, Stdio::null(), Stdio::from(input))?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        let url = url.trim_end().to_owned();
        if url.is_empty() {
            return Err(io::Error::other("the server ended before it listened"));
        }
        Ok(Self { url, _server: Some(server) })
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // The only thing that outlives its servers.
        if self.url.starts_with("mailbox:") {
            let _ = ::farcall::remove_mailbox(&self.url);
        }
    }
}

/// Percent-encodes everything that means something in a URL.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_holds_no_separator() {
        assert_eq!(escaped("--case=raw/unix&a?b c"), "--case%3Draw/unix%26a%3Fb%20c");
    }

    #[test]
    fn policy_joins_the_query_that_is_there() {
        assert_eq!(policy(Waiting::Auto, "unix:/a"), "?wait=auto");
        assert_eq!(policy(Waiting::Auto, "exec:/a?arg=b"), "&wait=auto");
    }
}
