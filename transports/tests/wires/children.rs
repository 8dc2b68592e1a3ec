//! The parts that run in a child: each does nothing unless it was started by the test that needs it.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use farcall_core::Code;
use farcall_core::transport::Link;
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

mod shm;

use crate::harness::{LIMIT, accept, connect, is_child, listen, pair, receive, send, wait_until};

fn url() -> String {
    std::env::var("URL").unwrap()
}

fn echo(mut link: Box<dyn Link>) {
    while let Ok(Some(frame)) = receive(&mut *link) {
        send(&mut *link, &frame).unwrap();
    }
}

#[test]
fn echo_over_descriptors() {
    if is_child("echo_over_descriptors") {
        echo(accept(&mut *listen(&url()).unwrap()));
    }
}

#[test]
fn echo_over_stdio() {
    if is_child("echo_over_stdio") {
        serve_stdio(true);
    }
}

#[test]
fn echo_over_stdio_shared() {
    if is_child("echo_over_stdio_shared") {
        // SAFETY: no other thread of this child reads or writes the environment yet.
        unsafe { std::env::set_var("FARCALL_TEST_DISABLE", "reopen,nosignal") };
        serve_stdio(true);
    }
}

fn serve_stdio(knows_parent: bool) {
    // SAFETY: the test has started this child with this descriptor, and nothing else here uses it.
    let read = unsafe { BorrowedFd::borrow_raw(3) };
    // SAFETY: as above.
    let write = unsafe { BorrowedFd::borrow_raw(4) };
    rustix::stdio::dup2_stdin(read).unwrap();
    rustix::stdio::dup2_stdout(write).unwrap();
    for fd in [read, write] {
        rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).unwrap();
    }
    let mut listener = listen("stdio:").unwrap();
    // From here on this goes to stderr.
    println!("a library says hello");
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
    assert!(listen("stdio:").err().unwrap().to_string().contains("already"));
    assert_eq!(listener.local_url(), "stdio:");
    let link = accept(&mut *listener);
    assert_eq!(link.life().is_some(), knows_parent);
    echo(link);
}

#[test]
fn speak_and_fork() {
    if is_child("speak_and_fork") {
        let mut link = connect(&url()).unwrap();
        let farcall_core::transport::Readiness::Fd { read, .. } = link.readiness() else { unreachable!() };
        // Another process holds the socket, as a forked child would.
        let copy: OwnedFd = rustix::io::fcntl_dupfd_cloexec(&*read, 3).unwrap();
        let mut holder = Command::new("sleep").arg("100").stdin(Stdio::from(copy)).spawn().unwrap();
        send(&mut *link, holder.id().to_string().as_bytes()).unwrap();
        // Killed by now.
        holder.wait().unwrap();
    }
}

#[test]
fn without_pidfd() {
    if is_child("without_pidfd") {
        let directory = tempfile::tempdir().unwrap();
        let (mut here, mut there, _listener) = pair(&format!("unix:{}/s", directory.path().display()));
        send(&mut *here, b"x").unwrap();
        receive(&mut *there).unwrap();
        assert!(there.life().is_none());
        crate::conversation::hold(here, there);
    }
}

/// Becomes nobody, for good.
fn give_up_root() {
    // SAFETY: the call has no memory effects; this child has no other thread that needs root.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) }, 0);
}

#[test]
fn stranger() {
    if is_child("stranger") {
        give_up_root();
        let mut listener = listen(&format!("{}-reversed", url())).unwrap();
        // Root is trusted by everybody, but does not trust everybody.
        assert!(!matches!(receive(&mut *connect(&url()).unwrap()), Ok(Some(_))));
        drop(accept(&mut *listener));
    }
}

#[test]
fn denied() {
    if is_child("denied") {
        give_up_root();
        let error = connect(&url()).err().unwrap();
        assert_eq!(error.code(), Code::PermissionDenied);
        assert!(error.to_string().contains("own user"), "{error}");
    }
}

#[test]
fn serve_and_wait() {
    if is_child("serve_and_wait") {
        let _listener = listen(&url()).unwrap();
        std::thread::park_timeout(LIMIT);
    }
}

#[test]
fn odd_descriptors() {
    if !is_child("odd_descriptors") {
        return;
    }
    let inherited = |fd: OwnedFd| {
        rustix::io::fcntl_setfd(&fd, FdFlags::empty()).unwrap();
        std::os::fd::IntoRawFd::into_raw_fd(fd)
    };
    let refusal = |url: String| connect(&url).err().unwrap().to_string();
    let (read, write) = std::io::pipe().unwrap();
    let (read, write) = (inherited(read.into()), inherited(write.into()));
    assert!(refusal(format!("fd:{write},{read}")).contains("not the read end"));
    let null = || inherited(std::fs::File::open("/dev/null").unwrap().into());
    assert!(refusal(format!("fd:{},{}", null(), null())).contains("neither a pipe nor"));
    let lone = inherited(std::io::pipe().unwrap().0.into());
    assert!(refusal(format!("fd:{lone}")).contains("name two"));
    // One socket goes both ways.
    let (here, there) = UnixStream::pair().unwrap();
    let here = connect(&format!("fd:{}", inherited(here.into()))).unwrap();
    let there = inherited(there.into());
    let there = accept(&mut *listen(&format!("fd:{there},{there}")).unwrap());
    crate::conversation::hold(here, there);
}

#[test]
fn write_to_nobody() {
    if is_child("write_to_nobody") {
        // SAFETY: the default action is no handler, and this child has no other use for the signal.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let directory = tempfile::tempdir().unwrap();
        let over_descriptors = connect(&url()).unwrap();
        let over_unix = pair(&format!("unix:{}/s", directory.path().display())).0;
        let over_tcp = pair("tcp://127.0.0.1:0").0;
        let (over_pipe, other) = farcall_transports::pipe_pair().unwrap();
        drop(other);
        let over_pipe = connect(&over_pipe.into_url()).unwrap();
        let over_exec = connect("exec:true").unwrap();
        for mut link in [over_descriptors, over_unix, over_tcp, over_pipe, over_exec] {
            wait_until("the wire is broken", || send(&mut *link, &[0; 40_000]).is_err());
        }
    }
}

#[test]
fn accept_without_descriptors() {
    if !is_child("accept_without_descriptors") {
        return;
    }
    let mut listener = listen(&url()).unwrap();
    let address = listener.local_url();
    let mut clients: Vec<Box<dyn Read>> = Vec::new();
    for _ in 0..4 {
        clients.push(match address.strip_prefix("tcp://") {
            Some(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                Box::new(stream)
            }
            None => {
                let stream = UnixStream::connect(address.strip_prefix("unix:").unwrap()).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                Box::new(stream)
            }
        });
    }
    let limit = getrlimit(Resource::Nofile);
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    for client in &mut clients[..2] {
        setrlimit(Resource::Nofile, Rlimit { current: Some(free), ..limit }).unwrap();
        let error = listener.accept().err().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        setrlimit(Resource::Nofile, limit).unwrap();
        // The client in front was accepted on the spare descriptor and told so.
        match client.read(&mut [0]) {
            Ok(count) => assert_eq!(count, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    drop(accept(&mut *listener));
    drop(accept(&mut *listener));
}

#[test]
fn learn_of_the_peer_without_descriptors() {
    if !is_child("learn_of_the_peer_without_descriptors") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut here, mut there, _listener) = pair(&format!("unix:{}/s", directory.path().display()));
    let limit = getrlimit(Resource::Nofile);
    let free = std::fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(free), ..limit }).unwrap();
    send(&mut *here, b"first").unwrap();
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"first"[..]));
    assert!(there.life().is_none());
    setrlimit(Resource::Nofile, limit).unwrap();
    send(&mut *here, b"second").unwrap();
    receive(&mut *there).unwrap();
    assert!(there.life().is_some());
}

#[test]
fn come_and_go() {
    if !is_child("come_and_go") {
        return;
    }
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let directory = tempfile::tempdir().unwrap();
    let everything = || {
        for url in
            [format!("unix:{}/s", directory.path().display()), "tcp://127.0.0.1:0".into(), "mem:x".into()]
        {
            let (here, there, _listener) = pair(&url);
            crate::conversation::hold(here, there);
            assert!(connect(&format!("{url}?unknown=1")).is_err());
        }
        let (here, there) = farcall_transports::pipe_pair().unwrap();
        let there = accept(&mut *listen(&there.into_url()).unwrap());
        crate::conversation::hold(connect(&here.into_url()).unwrap(), there);
        let mut link = connect("exec:cat").unwrap();
        send(&mut *link, b"x").unwrap();
        receive(&mut *link).unwrap();
    };
    everything();
    wait_until("the first round is over", || count("task") == 2);
    let before = count("fd");
    for _ in 0..10 {
        everything();
    }
    wait_until("every thread is gone", || count("task") == 2);
    assert_eq!(count("fd"), before);
}
