//! A wire from outside the workspace, with nothing but `std`: TCP over loopback that counts the bytes it carries.

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use farcall::Error;
use farcall::transport::{ByteStream, Framed, Link, Listener, Peer, Query, Readiness, Scheme, Url, register};

/// Bytes that were read, by all connections of this process.
static READ: AtomicUsize = AtomicUsize::new(0);

/// What stands behind `counted://127.0.0.1:PORT`.
struct Counted;

impl Scheme for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }
    fn connect(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Link>, Error> {
        query.finish()?;
        let stream = TcpStream::connect(("127.0.0.1", url.port().unwrap_or(0)));
        Ok(Box::new(Framed::connecting(stream.and_then(open).map_err(|error| url.refuse(error))?)))
    }
    fn listen(&self, url: &Url, query: &mut Query) -> Result<Box<dyn Listener>, Error> {
        query.finish()?;
        let bind = || {
            let listener = TcpListener::bind(("127.0.0.1", url.port().unwrap_or(0)))?;
            listener.set_nonblocking(true)?;
            let fd = Arc::new(listener.try_clone()?.into());
            Ok(Watched(listener, fd))
        };
        Ok(Box::new(bind().map_err(|error: io::Error| url.refuse(error))?))
    }
    fn may_block(&self, _: &Url) -> bool {
        true
    }
}

/// A socket that never blocks, and its descriptor to wait on.
struct Watched<T>(T, Arc<OwnedFd>);

fn open(stream: TcpStream) -> io::Result<Watched<TcpStream>> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let fd = Arc::new(stream.try_clone()?.into());
    Ok(Watched(stream, fd))
}

impl Listener for Watched<TcpListener> {
    fn accept(&mut self) -> io::Result<Box<dyn Link>> {
        Ok(Box::new(Framed::accepted(open(self.0.accept()?.0)?)))
    }
    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: Arc::clone(&self.1), write: Arc::clone(&self.1) }
    }
    fn local_url(&self) -> String {
        self.0.local_addr().map_or_else(|_| "counted:".to_owned(), |here| format!("counted://{here}"))
    }
}

impl ByteStream for Watched<TcpStream> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buf)?;
        READ.fetch_add(count, Relaxed);
        Ok(count)
    }
    fn write(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }
    fn readiness(&self) -> Readiness {
        Readiness::Fd { read: Arc::clone(&self.1), write: Arc::clone(&self.1) }
    }
    fn peer(&self) -> Peer {
        Peer::on("counted")
    }
}

#[farcall::service]
trait Echo {
    fn echo(&self, text: String) -> String;
}

impl Echo for Counted {
    fn echo(&self, text: String) -> String {
        text
    }
}

fn main() -> Result<(), Error> {
    register(Arc::new(Counted))?;
    let server = farcall::serve("counted://127.0.0.1:0", EchoServer::new(Counted)).wait()?;
    let echo: EchoClient = farcall::connect(server.url()).wait()?;
    let answer = echo.echo("over a wire of our own".repeat(1000)).wait()?;
    println!("{} bytes came back, {} were read on the way", answer.len(), READ.load(Relaxed));
    Ok(())
}
