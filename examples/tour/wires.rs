//! The wires of the tour, and the server that each of them gets: another process, except for `mem:`.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use farcall::ServerHandle;

use crate::search::{Files, SearchServer};

/// If this is set, servers give wrong answers, and the tour must fail.
pub(crate) const LIE: &str = "FARCALL_TOUR_LIE";

/// Time within which a server must have started, or ended.
const PATIENCE: Duration = Duration::from_secs(20);

/// A wire to be visited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire {
    /// In this process.
    Mem,
    /// A socket in the file system.
    UnixPath,
    /// A socket with a name that the kernel keeps.
    UnixAbstract,
    /// Shared memory.
    Shm,
    /// Shared memory of System V.
    Segment,
    /// A mapped file.
    Mapped,
    /// Message queues.
    Mq,
    /// Shared memory where that can be had.
    Local,
    /// A message queue that nobody in particular serves.
    Mailbox,
    /// TCP over loopback.
    Tcp,
    /// A pair of named pipes.
    Fifo,
    /// A pair of pipes that the child inherits.
    Pipe,
    /// The child's standard input and output.
    Exec,
}

/// How a side waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// `.wait()`, on threads.
    Blocking,
    /// `.await`, on tokio.
    Async,
}

impl Wire {
    /// In the order of the tour.
    pub(crate) const ALL: [Wire; 13] = [
        Wire::Mem,
        Wire::UnixPath,
        Wire::UnixAbstract,
        Wire::Shm,
        Wire::Segment,
        Wire::Mapped,
        Wire::Mq,
        Wire::Local,
        Wire::Mailbox,
        Wire::Tcp,
        Wire::Fifo,
        Wire::Pipe,
        Wire::Exec,
    ];

    /// Its first column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wire::Mem => "mem:NAME (this process)",
            Wire::UnixPath => "unix:/path",
            Wire::UnixAbstract => "unix:@name",
            Wire::Shm => "shm:/path",
            Wire::Segment => "shm:/path?memory=sysv",
            Wire::Mapped => "mmap:/path",
            Wire::Mq => "mq:/path",
            Wire::Local => "local:/path",
            Wire::Mailbox => "mailbox:/NAME",
            Wire::Tcp => "tcp://127.0.0.1",
            Wire::Fifo => "fifo:/path",
            Wire::Pipe => "fd:R,W (pipe)",
            Wire::Exec => "exec: / stdio:",
        }
    }
}

impl Style {
    fn word(self) -> &'static str {
        match self {
            Style::Blocking => "blocking",
            Style::Async => "async",
        }
    }

    fn of(word: &str) -> Option<Style> {
        [Style::Blocking, Style::Async].into_iter().find(|style| style.word() == word)
    }
}

/// A server that is there, and the URL by which a client reaches it. Dropped, it ends.
pub(crate) struct Running {
    /// Where it is reached.
    pub(crate) url: String,
    _server: Option<Host>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its server does the same, unless it was killed.
        if self.url.starts_with("mailbox:") {
            let _ = farcall::remove_mailbox(&self.url);
        }
    }
}

/// Where a server runs.
enum Host {
    /// Here.
    Here(#[expect(dead_code, reason = "dropping the handle stops the server")] ServerHandle),
    /// In a process of its own.
    There(#[expect(dead_code, reason = "dropping the process ends it")] Process),
}

impl Running {
    /// A server on threads for `wire`. `scratch` is a directory for what has a path.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn blocking(wire: Wire, scratch: &Path) -> Result<Running, Box<dyn Error>> {
        match wire {
            Wire::Mem => Ok(Running::here(server("mem:tour-blocking").wait()?)),
            _ => Running::there(wire, Style::Blocking, scratch),
        }
    }

    /// A server on tokio.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) async fn asynchronous(wire: Wire, scratch: &Path) -> Result<Running, Box<dyn Error>> {
        match wire {
            Wire::Mem => Ok(Running::here(server("mem:tour-async").await?)),
            _ => Running::there(wire, Style::Async, scratch),
        }
    }

    fn here(handle: ServerHandle) -> Running {
        Running { url: handle.url().to_owned(), _server: Some(Host::Here(handle)) }
    }

    fn there(wire: Wire, style: Style, scratch: &Path) -> Result<Running, Box<dyn Error>> {
        let program = std::env::current_exe()?;
        let words = style.word();
        let listen = match wire {
            Wire::Mem => return Err("mem: does not leave its process".into()),
            Wire::Exec => {
                let url = format!("exec:{}?arg=serve&arg=stdio:&arg={words}", encode(&program));
                return Ok(Running { url, _server: None });
            }
            Wire::Pipe => {
                let (ours, theirs) = farcall::pipe_pair()?;
                let mut command = Command::new(program);
                let url = theirs.inherit(&mut command);
                let (process, _) = Process::start(command, &url, style)?;
                return Ok(Running { url: ours.into_url(), _server: Some(Host::There(process)) });
            }
            Wire::UnixPath => format!("unix:{}", encode(&scratch.join(words))),
            Wire::UnixAbstract => format!("unix:@farcall-tour-{}-{words}", std::process::id()),
            Wire::Shm => format!("shm:{}", encode(&scratch.join(format!("{words}-memory")))),
            Wire::Segment => {
                format!("shm:{}?memory=sysv", encode(&scratch.join(format!("{words}-segment"))))
            }
            // Our own program is at both ends.
            Wire::Mapped => {
                format!("mmap:{}?trust=trusted", encode(&scratch.join(format!("{words}-file"))))
            }
            Wire::Mq => format!("mq:{}", encode(&scratch.join(format!("{words}-queues")))),
            Wire::Local => format!("local:{}", encode(&scratch.join(format!("{words}-local")))),
            Wire::Mailbox => format!("mailbox:/farcall-tour-{}-{words}?msgsize=1KiB", std::process::id()),
            Wire::Fifo => format!("fifo:{}", encode(&scratch.join(format!("{words}-fifo")))),
            Wire::Tcp => "tcp://127.0.0.1:0".to_owned(),
        };
        let (process, url) = Process::start(Command::new(program), &listen, style)?;
        Ok(Running { url, _server: Some(Host::There(process)) })
    }
}

fn server(url: &str) -> farcall::Server {
    let files = Files { is_lying: std::env::var_os(LIE).is_some() };
    farcall::serve(url, SearchServer::new(files))
}

/// A path as it may stand in a URL.
fn encode(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A server process. It ends when its standard input does: when this is dropped, and when this process dies by whatever.
struct Process {
    child: Child,
    life: Option<ChildStdin>,
}

impl Process {
    /// Starts it and waits until it has told its URL.
    fn start(mut command: Command, listen: &str, style: Style) -> Result<(Process, String), Box<dyn Error>> {
        command.args(["serve", listen, style.word()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (life, said) = (child.stdin.take(), child.stdout.take());
        let process = Process { child, life };
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = said.map(|said| BufReader::new(said).read_line(&mut line));
            let _ = tx.send((read, line));
        });
        match rx.recv_timeout(PATIENCE) {
            Ok((Some(Ok(_)), line)) if line.ends_with('\n') => Ok((process, line.trim_end().to_owned())),
            Ok(_) => Err(format!("the server for {listen} ended before it had started").into()),
            Err(_) => Err(format!("the server for {listen} has not started within {PATIENCE:?}").into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.life.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process: serves `url` until its standard input ends.
///
/// # Errors
/// It cannot be served.
pub(crate) fn serve(url: &str, style: &str) -> Result<(), Box<dyn Error>> {
    let style = Style::of(style).ok_or("the style of a server is blocking or async")?;
    let server = server(url);
    match style {
        Style::Blocking => {
            let handle = server.wait()?;
            announce(&handle)?;
            handle.join().wait()?;
        }
        Style::Async => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let handle = server.await?;
                announce(&handle)?;
                handle.join().await
            })?;
        }
    }
    Ok(())
}

/// Tells where the server is. On `stdio:` the streams carry the calls: nothing is said, and they end by themselves.
fn announce(handle: &ServerHandle) -> Result<(), farcall::Error> {
    if handle.url() == "stdio:" {
        return Ok(());
    }
    println!("{}", handle.url());
    let url = handle.url().to_owned();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        if url.starts_with("mailbox:") {
            // The only thing that outlives its servers.
            let _ = farcall::remove_mailbox(&url);
        }
        std::process::exit(0);
    });
    Ok(())
}
