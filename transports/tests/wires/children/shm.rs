//! What a child process does with shared memory: forks, has none of it, makes and ends many connections.

use farcall_core::Code;
use farcall_core::transport::{Link, LinkFault, OutFrame, Received};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{LIMIT, accept, connect, is_child, listen, meet, pair, receive, send};

fn url() -> String {
    std::env::var("URL").unwrap()
}

/// Runs `part` in a forked child that does not call exec(2); whether it came to its end.
fn in_a_fork(part: impl FnOnce()) -> bool {
    // SAFETY: the child of this fork has one thread, uses what this one has made and its own heap, and leaves by _exit(2).
    let child = unsafe { libc::fork() };
    if child == 0 {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(part)).is_ok();
        // SAFETY: the call does not return, and runs nothing of the parent's.
        unsafe { libc::_exit(i32::from(!ended)) };
    }
    let mut status = 0;
    // SAFETY: the call writes to `status`, which outlives it.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[test]
fn fork_without_exec() {
    if !is_child("shm::fork_without_exec") {
        return;
    }
    let (mut here, mut there, _listener) = pair(&url());
    send(&mut *here, b"before").unwrap();
    let is_refused = in_a_fork(|| {
        assert!(matches!(here.send(OutFrame { head: b"x", body: b"" }), Err(LinkFault::Forked)));
        assert!(matches!(here.flush(), Err(LinkFault::Forked)));
        assert!(matches!(there.receive(), Err(LinkFault::Forked)));
        assert!(!there.arm() && there.is_quiet() == Some(false));
        there.disarm();
        assert_eq!((here.taken(), here.accepted()), (None, 1));
        drop(std::mem::replace(&mut here, connect_to_nothing()));
        drop(std::mem::replace(&mut there, connect_to_nothing()));
        // What the child makes itself is its own.
        let directory = tempfile::tempdir().unwrap();
        let (here, there, _listener) = pair(&format!("shm:{}/s", directory.path().display()));
        crate::conversation::hold(here, there);
    });
    assert!(is_refused, "the child says what went wrong");
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"before"[..]));
    crate::conversation::hold(here, there);
}

#[test]
fn fork_with_a_client() {
    if !is_child("shm::fork_with_a_client") {
        return;
    }
    use farcall::testkit::calculator::{Calc, CalculatorClient, CalculatorServer};
    let server = farcall::serve(url(), CalculatorServer::new(Calc)).wait().unwrap();
    let calc: CalculatorClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(calc.add(2, 3).wait(), Ok(5));
    assert!(in_a_fork(|| {
        let error = calc.add(2, 3).wait().unwrap_err();
        assert_eq!((error.code(), error.fate()), (Code::Forked, farcall::Fate::NotSent), "{error}");
        assert_eq!(calc.add(2, 3).wait().unwrap_err().fate(), farcall::Fate::NotSent);
        drop(calc.clone());
    }));
    assert_eq!(calc.add(3, 4).wait(), Ok(7));
}

fn connect_to_nothing() -> Box<dyn Link> {
    let (here, _) = farcall_transports::pipe_pair().unwrap();
    connect(&here.into_url()).unwrap()
}

#[test]
fn server() {
    if is_child("shm::server") {
        let mut listener = listen(&url()).unwrap();
        let mut links = Vec::new();
        loop {
            links.push(accept(&mut *listener));
        }
    }
}

#[test]
fn speak_and_fork() {
    if is_child("shm::speak_and_fork") {
        let mut link = connect(&url()).unwrap();
        // A forked child holds the socket. It ends when it is told to, or by itself if the test forgets it.
        // SAFETY: the child makes no call but to wait.
        let holder = unsafe { libc::fork() };
        if holder == 0 {
            // SAFETY: the call has no memory effects.
            unsafe { libc::alarm(30) };
            // SAFETY: the call waits for a signal, and no more.
            unsafe { libc::pause() };
        }
        send(&mut *link, holder.to_string().as_bytes()).unwrap();
        send(&mut *link, b"last words").unwrap();
        std::thread::park_timeout(LIMIT);
    }
}

#[test]
fn client_without_memory() {
    if !is_child("shm::client_without_memory") {
        return;
    }
    let connected = connect(&url());
    if std::env::var_os("REFUSED").is_some() {
        let error = connected.err().unwrap();
        assert_eq!(error.code(), Code::Unsupported);
        assert!(error.to_string().contains("shares no memory"), "{error}");
        return;
    }
    let mut link = connected.unwrap();
    assert_eq!(link.peer().transport, "unix");
    assert!(link.peer().fallback.unwrap().contains("shares no memory"));
    send(&mut *link, b"by stream").unwrap();
    assert_eq!(receive(&mut *link).unwrap().as_deref(), Some(&b"x"[..]));
}

#[test]
fn without_memory() {
    if !is_child("shm::without_memory") {
        return;
    }
    if let Ok(limit) = std::env::var("FILE_LIMIT") {
        let before = getrlimit(Resource::Fsize);
        setrlimit(Resource::Fsize, Rlimit { current: limit.parse().ok(), ..before }).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let url = |scheme: &str| format!("{scheme}:{}/{scheme}", directory.path().display());
    let mut listener = listen(&url("shm")).unwrap();
    let refused = std::thread::spawn({
        let url = url("shm");
        move || connect(&url).err().expect("there is no memory")
    });
    while !refused.is_finished() {
        assert!(listener.accept().is_err());
        std::thread::yield_now();
    }
    let error = refused.join().unwrap();
    let size = 4096 + 2 * 256 * 1024;
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.to_string().contains(&format!("{size} bytes")), "{error}");
    // The socket that is there anyway does.
    let (here, there, _listener) = pair(&url("local"));
    for link in [&here, &there] {
        let peer = link.peer();
        assert_eq!((peer.transport, peer.pid), ("unix", Some(std::process::id())));
        assert!(peer.fallback.unwrap().contains(&format!("{size} bytes")));
    }
    crate::conversation::hold(here, there);
}

#[test]
fn come_and_go() {
    if !is_child("shm::come_and_go") {
        return;
    }
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let directory = tempfile::tempdir().unwrap();
    for trust in ["same-user", "hostile"] {
        let mut listener =
            listen(&format!("shm:{}/{trust}?ring=128KiB&trust={trust}", directory.path().display())).unwrap();
        let mut round = || {
            let (mut here, mut there) = meet(&mut *listener, "");
            send(&mut *here, b"x").unwrap();
            assert!(matches!(there.receive(), Ok(Received::Frame(b"x"))));
        };
        round();
        let before = (count("fd"), count("map_files"));
        for _ in 0..1_000 {
            round();
        }
        // A thread that has just ended may still have its stack.
        let after = (count("fd"), count("map_files"));
        assert!(after.0 == before.0 && after.1 <= before.1 + 4, "{before:?} {after:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}
