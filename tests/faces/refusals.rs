//! What is wrong at an address is said with the address and the remedy.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use farcall::{Code, Connection, Error, Gone};

use crate::desk::{DeskClient, desk, open, says, single, watch};

fn reach(url: &str) -> Result<Connection, Error> {
    farcall::connect(url).wait()
}

fn serve(url: &str) -> Result<farcall::ServerHandle, Error> {
    farcall::serve(url, desk()).wait()
}

fn directory() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("unix:{}/socket", directory.path().display());
    (directory, url)
}

#[test]
fn a_wrong_url_names_itself_and_the_remedy() {
    let _watchdog = watch("a_wrong_url_names_itself_and_the_remedy");
    let cases: [(&str, &[&str]); 16] = [
        ("calculator", &["unix:/run/calculator.sock"]),
        ("carrier-pigeon:x", &["no wire `carrier-pigeon:`", "mem:", "unix:", "tcp:"]),
        ("mem:x?dealine=1s", &["unknown option `dealine`", "did you mean `deadline`"]),
        ("unix:/x?wiat=spin", &["unknown option `wiat`", "did you mean `wait`"]),
        ("mem:x?colour=red", &["unknown option `colour`", "known here", "deadline"]),
        ("mem:x?deadline=30h", &["deadline=30h", "out of range", "1day"]),
        ("mem:x?deadline=soon", &["deadline=soon", "250ms"]),
        ("mem:x?max_message=2GiB", &["max_message=2GiB", "out of range"]),
        ("mem:x?max_message=0", &["max_message=0", "out of range"]),
        ("mem:x?window=0", &["window=0", "65535"]),
        ("mem:x?window=1&window=2", &["`window`", "2 times", "once"]),
        ("mem:x?full=maybe", &["full=wait", "full=fail"]),
        ("mem:x?codec=morse", &["morse", "codec"]),
        ("mem:", &["name is missing"]),
        ("unix://run/x", &["unix:run"]),
        ("tcp://127.0.0.1", &["tcp://host:port"]),
    ];
    for (url, words) in cases {
        says(reach(url), Code::InvalidConfig, words);
        says(reach(url), Code::InvalidConfig, &[url]);
        if !url.contains("deadline")
            && !url.contains("dealine")
            && !url.contains("colour")
            && !url.contains("full")
            && !url.contains("codec")
        {
            says(serve(url), Code::InvalidConfig, words);
        }
    }
}

#[test]
fn a_builder_is_held_to_the_same_limits_as_a_url() {
    let _watchdog = watch("a_builder_is_held_to_the_same_limits_as_a_url");
    let server = open("mem:faces-builder");
    let connect = || farcall::connect::<DeskClient>(server.url());
    says(connect().window(0).wait(), Code::InvalidConfig, &["window"]);
    says(connect().max_message(0).wait(), Code::InvalidConfig, &["max_message"]);
    says(connect().max_message(usize::MAX).wait(), Code::InvalidConfig, &["max_message"]);
    says(connect().deadline(Duration::MAX).wait(), Code::InvalidConfig, &["deadline"]);
    says(connect().decode_budget(1).wait(), Code::InvalidConfig, &["decode_budget"]);
    let serve = || farcall::serve("mem:faces-builder-server", desk());
    says(serve().window(0).wait(), Code::InvalidConfig, &["window"]);
    says(serve().max_message(usize::MAX).wait(), Code::InvalidConfig, &["max_message"]);
    says(serve().threads(0).wait(), Code::InvalidConfig, &["threads"]);
    says(serve().workers(0).wait(), Code::InvalidConfig, &["workers"]);
}

#[test]
fn a_refused_port_is_named() {
    let _watchdog = watch("a_refused_port_is_named");
    // Held and not listened at: connecting to a port that was given back could find somebody else's.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", held.local_addr().unwrap());
    drop(held);
    says(reach(&url), Code::Unavailable, &[&url, "nobody listens", "start the server"]);
}

#[test]
fn a_port_in_use_is_named() {
    let _watchdog = watch("a_port_in_use_is_named");
    let server = open("tcp://127.0.0.1:0");
    says(serve(server.url()), Code::Unavailable, &[server.url(), "in use"]);
}

#[test]
fn off_the_loopback_plaintext_must_be_allowed() {
    for url in ["tcp://0.0.0.0:0", "tcp://192.0.2.1:9"] {
        says(serve(url), Code::InvalidConfig, &[url, "?plaintext=allow"]);
    }
    says(reach("tcp://192.0.2.1:9"), Code::InvalidConfig, &["?plaintext=allow"]);
}

#[test]
fn a_refusal_names_the_url_once() {
    let _watchdog = watch("a_refusal_names_the_url_once");
    let directory = tempfile::tempdir().unwrap();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    drop(held);
    let mut urls =
        vec![format!("tcp://127.0.0.1:{port}"), "mem:faces-once".to_owned(), "exec:/nobody".to_owned()];
    for scheme in ["unix", "shm", "local", "mq", "fifo", "mmap"] {
        let options = if scheme == "mmap" { "?trust=trusted" } else { "" };
        urls.push(format!("{scheme}:{}/nobody{options}", directory.path().display()));
        urls.push(format!("{scheme}:/nowhere/at/all{options}"));
    }
    urls.push("mailbox:/a/b".to_owned());
    for url in urls {
        for error in [reach(&url).err(), farcall::pool([&url]).wait().map(|_: Connection| ()).err()] {
            let said = error.map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(said.matches(&*url).count(), 1, "{said}");
        }
        if !url.starts_with("tcp:")
            && !url.ends_with("nobody")
            && !url.contains("/nobody?")
            && !url.starts_with("mem:")
        {
            let said = serve(&url).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(said.matches(&*url).count(), 1, "{said}");
        }
    }
}

#[test]
fn a_missing_socket_is_named() {
    let (_directory, url) = directory();
    says(reach(&url), Code::Unavailable, &[&url, "no such socket"]);
    says(reach("unix:@farcall-faces-nobody"), Code::Unavailable, &["@farcall-faces-nobody", "nobody serves"]);
    says(reach("mem:faces-nobody"), Code::Unavailable, &["mem:faces-nobody", "serve it first"]);
    says(serve("unix:/nowhere/at/all"), Code::InvalidConfig, &["unix:/nowhere/at/all", "directory"]);
}

#[test]
fn a_stale_socket_is_explained_and_taken_over() {
    let _watchdog = watch("a_stale_socket_is_explained_and_taken_over");
    let (directory, url) = directory();
    drop(UnixListener::bind(directory.path().join("socket")).unwrap());
    says(reach(&url), Code::Unavailable, &[&url, "gone", "start the server again"]);
    let server = open(&url);
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(client.add(1, 1).wait().unwrap(), 2);
    says(serve(&url), Code::Unavailable, &[&url, "already served", &std::process::id().to_string()]);
    assert_eq!(client.add(2, 2).wait().unwrap(), 4);
}

#[test]
fn a_file_in_the_way_is_not_deleted() {
    let _watchdog = watch("a_file_in_the_way_is_not_deleted");
    let (directory, url) = directory();
    let path = directory.path().join("socket");
    fs::write(&path, "precious").unwrap();
    says(serve(&url), Code::InvalidConfig, &[&url, "a regular file", "not removed"]);
    says(reach(&url), Code::InvalidConfig, &[&url, "not a socket"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
    says(serve(&url), Code::InvalidConfig, &[&url, "a symbolic link", "not removed"]);
    assert!(path.is_symlink());
}

#[test]
fn another_user_is_told_who_may() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    // The other user must reach both the program and the socket's directory.
    let reachable =
        std::env::current_exe().unwrap().ancestors().skip(1).all(|directory| {
            fs::metadata(directory).is_ok_and(|found| found.permissions().mode() & 0o001 != 0)
        });
    if !reachable {
        println!("skipped: another user cannot reach this program");
        return;
    }
    let (directory, url) = directory();
    let _server = open(&url);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    other_user(&url);
}

/// Connects as `nobody`.
fn other_user(url: &str) {
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(["--exact", "refusals::connects_where_it_may_not", "--nocapture"])
        .env("FARCALL_TEST_SOCKET", url)
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("skipped: setpriv cannot be started: {error}"),
    }
}

/// The other user's part of [`another_user_is_told_who_may`]; alone it has nothing to do.
#[test]
fn connects_where_it_may_not() {
    let Ok(url) = std::env::var("FARCALL_TEST_SOCKET") else { return };
    says(reach(&url), Code::PermissionDenied, &[&url, "own user"]);
    says(serve(&url), Code::PermissionDenied, &[&url]);
    says(
        serve("unix:/etc/farcall-faces"),
        Code::PermissionDenied,
        &["unix:/etc/farcall-faces", "permission"],
    );
}

#[test]
fn a_request_of_http_is_answered_in_words() {
    let _watchdog = watch("a_request_of_http_is_answered_in_words");
    let server = open("tcp://127.0.0.1:0");
    let mut browser = TcpStream::connect(server.url().trim_start_matches("tcp://")).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    browser.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("speaks Farcall, not HTTP"), "{answer}");
    let client: DeskClient = farcall::connect(server.url()).wait().unwrap();
    assert_eq!(client.add(1, 1).wait().unwrap(), 2);
}

#[test]
fn a_server_of_another_protocol_is_recognised() {
    let _watchdog = watch("a_server_of_another_protocol_is_recognised");
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", stranger.local_addr().unwrap());
    let host = std::thread::spawn(move || {
        let (mut guest, _) = stranger.accept().unwrap();
        guest.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").unwrap();
        let _ = guest.read(&mut [0; 64]);
    });
    says(reach(&url), Code::ProtocolViolation, &[&url, "does not speak Farcall", "SSH-2.0"]);
    host.join().unwrap();
}

#[test]
fn whoever_sends_our_own_words_back_is_no_server() {
    let _watchdog = watch("whoever_sends_our_own_words_back_is_no_server");
    for url in ["exec:/bin/cat", "exec:/bin/cat?n=2"] {
        says(
            reach(url),
            Code::PeerGone(Gone::Poisoned),
            &[url, "echoes what it is sent", "does not serve farcall"],
        );
    }
    says(
        single().block_on(async { farcall::connect::<Connection>("exec:/bin/cat").await }),
        Code::PeerGone(Gone::Poisoned),
        &["echoes"],
    );
    // Two that connect to each other.
    let (here, there) = farcall::pipe_pair().unwrap();
    let there = there.into_url();
    let other = std::thread::spawn(move || reach(&there));
    for ended in [reach(&here.into_url()), other.join().unwrap()] {
        assert_eq!(ended.unwrap_err().fate(), farcall::Fate::NotSent);
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let _watchdog = watch("a_program_that_is_not_there_is_named");
    says(reach("exec:/no/such/program"), Code::Unavailable, &["exec:/no/such/program", "no such program"]);
    says(reach("exec:/etc/passwd"), Code::PermissionDenied, &["exec:/etc/passwd", "chmod +x"]);
    says(reach("stdio:"), Code::InvalidConfig, &["exec:"]);
    says(serve("exec:/bin/true"), Code::InvalidConfig, &["stdio:"]);
    says(serve("pipe:"), Code::InvalidConfig, &["pipe_pair()"]);
}
