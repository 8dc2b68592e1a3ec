//! Memory by choice: `shm:…?memory=…` and `mmap:`, what each promises and to whom it is refused.

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use farcall_core::Code;

use crate::harness::{connect, is_over, listen, meet, pair, receive, send};

/// The kinds, each at the most careful level of trust that it allows.
const KINDS: [(&str, &str); 4] = [
    ("shm", "memory=memfd&trust=hostile"),
    ("shm", "memory=sysv"),
    ("shm", "memory=posix&trust=trusted"),
    ("mmap", "trust=trusted"),
];

fn place(scheme: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("{scheme}:{}/s", directory.path().display());
    (directory, url)
}

fn refusal(url: &str, words: &str) -> Code {
    let error = connect(url).err().unwrap();
    assert!(error.to_string().contains(words), "{error}");
    error.code()
}

#[test]
fn a_conversation_in_every_kind_of_memory() {
    for (scheme, options) in KINDS {
        let (_directory, url) = place(scheme);
        let (here, there, _listener) = pair(&format!("{url}?{options}"));
        for link in [&here, &there] {
            assert_eq!((link.peer().transport, link.peer().pid), (scheme, Some(std::process::id())));
            assert!(!is_over(&link.life().unwrap(), Duration::ZERO));
        }
        crate::conversation::hold(here, there);
    }
}

#[test]
fn nothing_has_a_name_while_memory_is_shared() {
    let objects = || fs::read_dir("/dev/shm").unwrap().flatten().filter(is_ours).count();
    let is_marked = |line: &&str| line.split_whitespace().next() != Some("0");
    let segments = || {
        let all = fs::read_to_string("/proc/sysvipc/shm").unwrap();
        all.lines().skip(1).filter(is_marked).count()
    };
    let before = (objects(), segments());
    for (scheme, options) in KINDS {
        let (directory, url) = place(scheme);
        let (here, there, listener) = pair(&format!("{url}?{options}"));
        assert_eq!((objects(), segments()), before, "{scheme} {options}");
        assert_eq!(names(&directory), ["s", "s.lock"], "{scheme} {options}");
        drop((here, there, listener));
        assert_eq!(names(&directory), ["s.lock"], "{scheme} {options}");
    }
}

fn is_ours(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with("farcall-")
}

fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn memory_that_can_be_cut_short_is_for_those_who_trust_each_other() {
    for (url, words) in [
        ("shm:/nobody/s?memory=posix", "trust=trusted"),
        ("mmap:/nobody/s", "trust=trusted"),
        ("mmap:/nobody/s", "a mapped file: whoever has it"),
        ("mmap:/nobody/s?trust=hostile", "trust=trusted"),
        ("shm:/nobody/s?memory=sysv&trust=hostile", "memory=memfd"),
    ] {
        assert_eq!(refusal(url, words), Code::PermissionDenied, "{url}");
        let error = listen(url).err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(refusal("shm:/nobody/s?memory=paper", "memory=sysv"), Code::InvalidConfig);
}

/// Connects to a server that refuses, while it accepts nobody.
fn refused_by(served: &str, options: &str, words: &str) {
    let (_directory, url) = place("shm");
    let mut listener = listen(&format!("{url}?{served}")).unwrap();
    let visiting = format!("{url}?{options}");
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| connect(&visiting).err().unwrap());
        while !visitor.is_finished() {
            assert_eq!(
                listener.accept().err().map(|error| error.kind()),
                Some(std::io::ErrorKind::WouldBlock)
            );
            std::thread::yield_now();
        }
        let error = visitor.join().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    });
}

#[test]
fn the_more_careful_side_counts() {
    refused_by("memory=posix&trust=trusted", "trust=same-user", "trust=trusted");
    refused_by("memory=sysv", "trust=hostile", "memory=memfd");
}

#[test]
fn memory_of_another_kind_than_asked_for_is_refused_in_words() {
    refused_by("memory=sysv", "memory=memfd", "asks for memory=memfd, what is served is memory=sysv");
}

#[test]
fn a_client_without_a_wish_takes_what_is_served() {
    let (_directory, url) = place("shm");
    let mut listener = listen(&format!("{url}?memory=sysv")).unwrap();
    let (mut here, mut there) = meet(&mut *listener, "");
    send(&mut *here, b"frame").unwrap();
    assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"frame"[..]));
}

#[test]
fn what_stands_at_the_path_of_a_mapped_file_is_not_touched() {
    let (directory, url) = place("mmap");
    fs::write(directory.path().join("s"), "precious").unwrap();
    let error = listen(&format!("{url}?trust=trusted")).err().unwrap();
    assert!(error.to_string().contains("regular file"), "{error}");
    assert_eq!(fs::read_to_string(directory.path().join("s")).unwrap(), "precious");
}

#[test]
fn a_client_that_talks_to_no_rendezvous_is_told_so() {
    let (directory, url) = place("mmap");
    let listener = UnixListener::bind(directory.path().join("s")).unwrap();
    drop(listener);
    assert_eq!(refusal(&format!("{url}?trust=trusted"), "server is gone"), Code::Unavailable);
}
