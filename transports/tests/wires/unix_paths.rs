//! `unix:` as a path: what is taken over, what is refused, and what is left behind.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Barrier};

use farcall_core::Code;
use tempfile::{TempDir, tempdir};

use crate::harness::{child, connect, is_root, listen, wait_until};

fn place() -> (TempDir, String, std::path::PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("s");
    (directory, format!("unix:{}", path.display()), path)
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn the_socket_is_private_and_goes_with_its_server() {
    let (directory, url, path) = place();
    let listener = listen(&url).unwrap();
    assert_eq!(listener.local_url(), url);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(listener);
    let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["s.lock"]);
    listen(&url).unwrap();
}

#[test]
fn a_server_that_is_not_there() {
    let (_directory, url, path) = place();
    let error = connect(&url).err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("no such socket"), "{error}");
    let below = format!("{url}/x");
    assert!(listen(&below).err().unwrap().to_string().contains("directory does not exist"));
    fs::write(path, "").unwrap();
    assert_eq!(connect(&below).err().unwrap().code(), Code::InvalidConfig);
    assert_eq!(listen(&below).err().unwrap().code(), Code::InvalidConfig);
}

#[test]
fn a_dead_servers_socket_is_explained_and_taken_over() {
    let (_directory, url, path) = place();
    let mut server = child("serve_and_wait").env("URL", &url).spawn().unwrap();
    wait_until("the server is up", || connect(&url).is_ok());
    let error = listen(&url).err().unwrap();
    assert!(error.to_string().contains(&format!("already served by process {}", server.id())), "{error}");
    server.kill().unwrap();
    server.wait().unwrap();
    let error = connect(&url).err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("takes the file over"), "{error}");
    assert!(is_socket(&path));
    let _listener = listen(&url).unwrap();
    connect(&url).unwrap();
}

#[test]
fn what_is_not_a_dead_socket_is_refused_and_not_removed() {
    let (directory, url, path) = place();
    fs::write(&path, "precious").unwrap();
    let error = listen(&url).err().unwrap();
    assert!(error.to_string().contains("a regular file is there"), "{error}");
    assert!(connect(&url).err().unwrap().to_string().contains("not a socket"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    let elsewhere = directory.path().join("elsewhere");
    drop(UnixListener::bind(&elsewhere).unwrap());
    symlink(&elsewhere, &path).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("a symbolic link is there"));
    assert!(is_socket(&elsewhere));
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("a directory is there"));
    assert!(path.is_dir());
}

#[test]
fn a_living_server_without_the_lock_is_left_alone() {
    let (_directory, url, path) = place();
    let _server = UnixListener::bind(&path).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("already served"));
    assert!(is_socket(&path));
}

#[test]
fn a_socket_that_is_no_longer_ours_is_not_removed() {
    let (_directory, url, path) = place();
    let listener = listen(&url).unwrap();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(is_socket(&path));
}

#[test]
fn a_lock_that_is_planted_is_not_followed() {
    let (directory, url, _) = place();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, directory.path().join("s.lock")).unwrap();
    let error = listen(&url).err().unwrap();
    assert_eq!(error.code(), Code::PermissionDenied);
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn one_of_many_servers_wins() {
    let (_directory, url, path) = place();
    drop(UnixListener::bind(path).unwrap());
    let start = Arc::new(Barrier::new(32));
    let servers: Vec<_> = (0..32)
        .map(|_| {
            let (url, start) = (url.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                listen(&url)
            })
        })
        .collect();
    let answers: Vec<_> = servers.into_iter().map(|server| server.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(error.to_string().contains("already served"), "{error}");
    }
    connect(&url).unwrap();
}

#[test]
fn a_directory_open_to_everybody_is_refused() {
    let (directory, url, _) = place();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(listen(&url).err().unwrap().to_string().contains("chmod o-w"));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o1777)).unwrap();
    listen(&url).unwrap();
}

#[test]
fn a_path_longer_than_an_address_works() {
    let directory = tempdir().unwrap();
    let deep = directory.path().join("d".repeat(120)).join("s p%");
    fs::create_dir(deep.parent().unwrap()).unwrap();
    let url = format!("unix:{}/{}", deep.parent().unwrap().display(), "s%20p%25");
    let listener = listen(&url).unwrap();
    assert_eq!(listener.local_url(), url);
    assert!(is_socket(&deep));
    connect(&url).unwrap();
    drop(listener);
    assert!(!deep.exists());
}

#[test]
fn a_path_from_the_working_directory_is_made_absolute() {
    let name = format!("farcall-test-{}.sock", std::process::id());
    let error = connect(&format!("unix:./{name}")).err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    let listener = listen(&format!("unix:./{name}")).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(listener.local_url(), format!("unix:{}/{name}", here.display()));
    drop(listener);
    fs::remove_file(format!("{name}.lock")).unwrap();
}

#[test]
fn permission_denied_is_told_apart() {
    if !is_root() {
        return;
    }
    let (directory, url, _) = place();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let _listener = listen(&url).unwrap();
    assert!(child("denied").env("URL", &url).status().unwrap().success());
}
