//! What an error at a meeting point advises works, and no error says anything twice.

use farcall::{Code, Connection, Error, ServerHandle};

use crate::desk::{desk, open, says, watch};

fn reach(url: &str) -> Result<Connection, Error> {
    farcall::connect(url).wait()
}

fn refusal(url: &str) -> String {
    reach(url).err().unwrap_or_else(|| panic!("{url} is reached")).to_string()
}

/// Serves `scheme` with these options at a path that goes with the directory; gives `PATH`.
fn serve_at_path(served: &str) -> (tempfile::TempDir, ServerHandle, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("{}/place", directory.path().display());
    let (scheme, options) = served.split_once('?').unwrap_or((served, ""));
    let server = open(&format!("{scheme}:{path}?{options}"));
    (directory, server, path)
}

/// A name that nobody serves, and the paths that are tried for it, as the error says.
fn nobody(scheme: &str, name: &str) -> (String, Vec<String>) {
    let url = format!("{scheme}:{name}");
    let said = refusal(&url);
    let places = said.split_once(" (").and_then(|(_, rest)| rest.split_once("): "));
    let places = places.unwrap_or_else(|| panic!("no place is named: {said}")).0;
    (url, places.split(" or ").map(str::to_owned).collect())
}

fn name(what: &str) -> String {
    format!("faces-{what}-{}", std::process::id())
}

fn forget(path: &str) {
    let _ = std::fs::remove_file(format!("{path}.lock"));
}

#[test]
fn a_missing_server_of_a_name_names_the_sockets_that_were_tried() {
    let _watchdog = watch("a_missing_server_of_a_name_names_the_sockets_that_were_tried");
    let name = name("missing");
    for scheme in ["shm", "local", "mq"] {
        let (url, places) = nobody(scheme, &name);
        assert!(places.iter().all(|place| place.starts_with('/') && place.ends_with(&name)), "{places:?}");
        says(reach(&url), Code::Unavailable, &[&url, "no such socket", "start the server"]);
    }
    // Where it is served is one of them.
    drop(open(&format!("shm:{name}")));
    let (_, places) = nobody("shm", &name);
    let place = places.iter().find(|place| std::path::Path::new(&format!("{place}.lock")).exists());
    forget(place.unwrap_or_else(|| panic!("{places:?}")));
}

#[test]
fn a_socket_that_its_server_has_left_is_named() {
    let _watchdog = watch("a_socket_that_its_server_has_left_is_named");
    let name = name("stale");
    drop(open(&format!("shm:{name}")));
    let (url, places) = nobody("shm", &name);
    let place = &places[0];
    drop(std::os::unix::net::UnixListener::bind(place).unwrap());
    says(reach(&url), Code::Unavailable, &[&url, place, "its server is gone", "start the server again"]);
    drop(open(&url));
    forget(place);
}

#[test]
fn a_unix_server_at_a_name_is_reached_by_the_url_that_the_error_gives() {
    let _watchdog = watch("a_unix_server_at_a_name_is_reached_by_the_url_that_the_error_gives");
    let name = name("unix");
    drop(open(&format!("shm:{name}")));
    let (_, places) = nobody("shm", &name);
    let _server = open(&format!("unix:{}", places[0]));
    for scheme in ["local", "shm", "mq"] {
        let url = format!("{scheme}:{name}");
        let advice = format!("connect with unix:{}", places[0]);
        says(reach(&url), Code::Unavailable, &[&url, &advice]);
    }
    let said = refusal(&format!("local:{name}"));
    let advised = said.rsplit_once("connect with ").unwrap().1;
    reach(advised).unwrap();
    forget(&places[0]);
}

#[test]
fn advice_on_trust_works() {
    let _watchdog = watch("advice_on_trust_works");
    let directory = tempfile::tempdir().unwrap();
    let path = format!("{}/place", directory.path().display());
    for (url, other) in
        [(format!("mmap:{path}"), "use shm:"), (format!("shm:{path}?memory=posix"), "use memory=memfd")]
    {
        let words = [&*url, "write trust=trusted on both sides", other];
        says(reach(&url), Code::PermissionDenied, &words);
        says(farcall::serve(url.as_str(), desk()).wait(), Code::PermissionDenied, &words);
        let trusted = format!("{url}{}trust=trusted", if url.contains('?') { '&' } else { '?' });
        let server = open(&trusted);
        reach(&trusted).unwrap();
        // The server's word on a client that trusts less.
        says(
            reach(&format!("shm:{path}")),
            Code::PermissionDenied,
            &["write trust=trusted on both sides", other],
        );
        reach(&format!("shm:{path}?trust=trusted")).unwrap();
        drop(server);
    }
    assert!(!refusal(&format!("mmap:{path}")).contains("memory="), "mmap: has no such option");
    let served = open(&format!("shm:{path}?memory=memfd"));
    reach(&format!("shm:{path}?memory=memfd")).unwrap();
    drop(served);
    let _served = open(&format!("shm:{path}?memory=sysv"));
    let hostile = format!("shm:{path}?trust=hostile");
    says(reach(&hostile), Code::PermissionDenied, &["serve memory=memfd"]);
}

/// What is served, how somebody tries to connect, what the error says, and what it thereby advises.
const MISTAKEN: [(&str, &str, &str, &str); 12] = [
    ("shm", "unix", "for shm:, not for unix:", "shm"),
    ("local", "unix", "for local:, not for unix:", "local"),
    ("mq", "unix", "for mq:, not for unix:", "mq"),
    ("mmap?trust=trusted", "unix", "for mmap:, not for unix:", "mmap?trust=trusted"),
    ("shm", "mq", "connect with shm:", "shm"),
    ("mmap?trust=trusted", "mq", "connect with mmap:", "mmap?trust=trusted"),
    ("mq", "shm", "connect with mq:", "mq"),
    ("mq", "local", "connect with mq:", "mq"),
    ("shm", "shm?memory=posix&trust=trusted", "connect without memory=posix", "shm?trust=trusted"),
    ("shm?memory=sysv", "shm?memory=memfd", "connect without memory=memfd", "shm"),
    ("shm", "mmap?trust=trusted", "connect with shm:", "shm?trust=trusted"),
    (
        "mmap?trust=trusted",
        "shm?memory=memfd&trust=trusted",
        "connect without memory=memfd",
        "shm?trust=trusted",
    ),
];

#[test]
fn whoever_mistakes_the_wire_is_told_the_right_one() {
    let _watchdog = watch("whoever_mistakes_the_wire_is_told_the_right_one");
    for (served, asked, words, advised) in MISTAKEN {
        let (_directory, _server, path) = serve_at_path(served);
        let at_path = |url: &str| {
            let (scheme, options) = url.split_once('?').unwrap_or((url, ""));
            format!("{scheme}:{path}?{options}")
        };
        let url = at_path(asked);
        let said = refusal(&url);
        assert!(said.contains(words), "{served}, {asked}: {said}");
        assert_eq!(said.matches(&*url).count(), 1, "{said}");
        reach(&at_path(advised)).unwrap_or_else(|error| panic!("{served}, {advised}: {error}"));
    }
}

#[test]
fn a_url_stands_once_in_an_error_and_has_one_colon() {
    let _watchdog = watch("a_url_stands_once_in_an_error_and_has_one_colon");
    for url in [
        "mem:",
        "unix:",
        "shm:",
        "local:",
        "mmap:?trust=trusted",
        "mq:",
        "fifo:",
        "mailbox:",
        "tcp:",
        "pipe:",
        "fd:",
        "exec:",
        "stdio:",
    ] {
        let said = refusal(url);
        assert!(said.starts_with(url.trim_end_matches(':')), "{said}");
        assert!(!said.contains("::"), "{said}");
        assert!(!said[url.len()..].starts_with(&format!(" {url}")), "{said}");
    }
}

#[test]
fn standard_streams_as_descriptors_are_refused_on_either_side() {
    for url in ["fd:0", "fd:0,1", "fd:3,1"] {
        says(reach(url), Code::InvalidConfig, &[url, "0 to 2 are the standard streams", "serve stdio:"]);
    }
    says(reach("fd:"), Code::InvalidConfig, &["write fd:R,W"]);
}
