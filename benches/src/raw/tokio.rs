//! The raw ping-pong on one tokio task in each process.

use std::io;
use std::net;
use std::os::unix::net as unix;
use std::time::{Duration, Instant};

use ::tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use ::tokio::net::{TcpStream, UnixStream};
use ::tokio::runtime::{Builder, Runtime};
use rustix::process::Pid;

use crate::case::{Case, Wire};
use crate::measure::{Sample, Tally, measure};

use super::ends::Ends;
use super::stamp::Stamp;

/// The client, on a current-thread runtime.
pub(crate) fn call(case: Case, ends: Ends, server: Pid, slice: Duration) -> io::Result<Sample> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let mut stream = stream(case.wire, ends)?;
    let (mut stamp, mut reply) = (Stamp::new(case.bytes), vec![0; case.bytes]);
    measure(server, slice, |length, tally| {
        runtime.block_on(ping(&mut stream, &mut stamp, &mut reply, length, tally))
    })
}

/// The server, on a current-thread runtime, until the client goes.
pub(crate) fn serve(case: Case, ends: Ends) -> io::Result<()> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let mut stream = stream(case.wire, ends)?;
    let mut message = vec![0; case.bytes];
    runtime.block_on(async {
        loop {
            stream.read_exact(&mut message).await?;
            stream.write_all(&message).await?;
        }
    })
}

async fn ping(
    stream: &mut Box<dyn Duplex>,
    stamp: &mut Stamp,
    reply: &mut [u8],
    length: Duration,
    tally: &mut Tally,
) -> io::Result<()> {
    let start = Instant::now();
    let mut before = start;
    while before - start < length {
        stream.write_all(stamp.next()).await?;
        stream.read_exact(reply).await?;
        stamp.check(reply)?;
        let after = Instant::now();
        tally.record(after - before);
        before = after;
    }
    Ok(())
}

/// A tokio stream of either family; the virtual call is lost in the system call behind it.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

fn stream(wire: Wire, ends: Ends) -> io::Result<Box<dyn Duplex>> {
    match wire {
        Wire::Unix => {
            let socket = unix::UnixStream::from(ends.output);
            socket.set_nonblocking(true)?;
            Ok(Box::new(UnixStream::from_std(socket)?))
        }
        Wire::Tcp => {
            let socket = net::TcpStream::from(ends.output);
            socket.set_nonblocking(true)?;
            Ok(Box::new(TcpStream::from_std(socket)?))
        }
        other => Err(io::Error::other(format!("no raw tokio case for `{}`", other.word()))),
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}
