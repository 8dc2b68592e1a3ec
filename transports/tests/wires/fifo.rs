//! `fifo:` as a conversation, and what may not stand at its path.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use farcall_core::{Code, Error};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::harness::{connect, is_root, listen, meet, pair, receive, send};

fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("fifo:{}/f", directory.path().display());
    (directory, url)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fifo(path: &Path, mode: u32) {
    mkfifoat(CWD, path, Mode::empty()).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Both sides refuse, for reasons that have these words.
fn refused(url: &str, code: Code, words: &str) {
    let refusals: [Error; 2] = [listen(url).err().unwrap(), connect(url).err().unwrap()];
    assert_eq!(refusals[0].code(), code, "{}", refusals[0]);
    for error in refusals {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_conversation_leaves_no_pair_behind() {
    let (directory, url) = place();
    let (here, there, listener) = pair(&url);
    assert_eq!(names(directory.path()), ["f", "f.lock"]);
    assert_eq!((here.peer().transport, there.peer().pid), ("fifo", None));
    crate::conversation::hold(here, there);
    drop(listener);
    assert_eq!(names(directory.path()), ["f.lock"]);
}

#[test]
fn several_clients_have_a_pair_each() {
    let (_directory, url) = place();
    let mut listener = listen(&url).unwrap();
    let mut links: Vec<_> = (0..5).map(|_| meet(&mut *listener, "")).collect();
    for (number, (here, there)) in links.iter_mut().enumerate() {
        send(&mut **here, &[number as u8; 40]).unwrap();
        assert_eq!(receive(&mut **there).unwrap(), Some(vec![number as u8; 40]));
    }
}

#[test]
fn what_stands_at_the_path_and_is_no_fifo_is_refused_and_stays() {
    let (directory, url) = place();
    let path = directory.path().join("f");
    fs::write(&path, "precious").unwrap();
    let error = listen(&url).err().unwrap();
    assert!(error.to_string().contains("a regular file is there"), "{error}");
    assert!(connect(&url).err().unwrap().to_string().contains("no FIFO"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    let elsewhere = directory.path().join("elsewhere");
    fifo(&elsewhere, 0o600);
    symlink(&elsewhere, &path).unwrap();
    let error = listen(&url).err().unwrap();
    assert!(error.to_string().contains("a symbolic link is there"), "{error}");
    assert_eq!(connect(&url).err().unwrap().code(), Code::PermissionDenied);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_symlink());
}

#[test]
fn a_fifo_that_others_may_open_is_refused_and_stays() {
    let (directory, url) = place();
    let path = directory.path().join("f");
    fifo(&path, 0o660);
    refused(&url, Code::PermissionDenied, "alone");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&path, directory.path().join("second")).unwrap();
    refused(&url, Code::PermissionDenied, "alone");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
    if is_root() {
        fs::remove_file(directory.path().join("second")).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        refused(&url, Code::PermissionDenied, "alone");
    }
}

#[test]
fn a_directory_into_which_others_may_write_is_refused() {
    let (directory, url) = place();
    for mode in [0o770, 0o707, 0o1777] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        refused(&url, Code::PermissionDenied, "chmod go-w");
    }
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    assert!(names(directory.path()).is_empty(), "nothing was made");
    let linked = directory.path().join("link");
    symlink(directory.path(), &linked).unwrap();
    refused(&format!("fifo:{}/f", linked.display()), Code::PermissionDenied, "symbolic link");
    if is_root() {
        std::os::unix::fs::chown(directory.path(), Some(65534), None).unwrap();
        refused(&url, Code::PermissionDenied, "another user's");
    }
}

#[test]
fn a_hostile_side_is_refused() {
    let (_directory, url) = place();
    refused(&format!("{url}?trust=hostile"), Code::PermissionDenied, "use unix:");
}

#[test]
fn one_server_serves_and_its_successor_takes_the_fifo_over() {
    let (directory, url) = place();
    let listener = listen(&url).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("already served by process"));
    drop(listener);
    // As a server leaves it that was killed, and a client that was killed before a server had seen its pair.
    let path = directory.path().join("f");
    fifo(&path, 0o600);
    fifo(&directory.path().join(format!("f.{}.up", "0a".repeat(16))), 0o600);
    fifo(&directory.path().join(format!("f.{}.down", "0a".repeat(16))), 0o600);
    fs::write(directory.path().join("f.other"), "precious").unwrap();
    let error = connect(&url).err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("its server is gone"), "{error}");
    let began = Instant::now();
    let mut listener = listen(&url).unwrap();
    assert!(began.elapsed().as_millis() < 100);
    assert_eq!(names(directory.path()), ["f", "f.lock", "f.other"]);
    let (here, there) = meet(&mut *listener, "");
    crate::conversation::hold(here, there);
}

#[test]
fn garbage_in_the_well_known_fifo_keeps_nobody_out() {
    let (directory, url) = place();
    let mut listener = listen(&url).unwrap();
    let mut door = fs::OpenOptions::new().write(true).open(directory.path().join("f")).unwrap();
    for garbage in [&b"hello"[..], &[0xFA; 3000], b"\xFARFIFO\n\x01"] {
        door.write_all(garbage).unwrap();
        assert_eq!(listener.accept().err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        let (mut here, mut there) = meet(&mut *listener, "");
        send(&mut *here, b"frame").unwrap();
        assert_eq!(receive(&mut *there).unwrap().as_deref(), Some(&b"frame"[..]));
    }
}

#[test]
fn a_client_does_not_wait_for_a_server_that_ends_instead_of_answering() {
    let (directory, url) = place();
    let listener = listen(&url).unwrap();
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| connect(&url).err().unwrap());
        // Once its pair is there it has knocked, or is about to.
        while names(directory.path()).len() < 4 {
            std::thread::yield_now();
        }
        drop(listener);
        let error = visitor.join().unwrap();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.to_string().contains("gone"), "{error}");
    });
    assert_eq!(names(directory.path()), ["f.lock"]);
}
