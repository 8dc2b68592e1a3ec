//! Who may import whom: between the crates, and between the rooms of the core.

use super::source::{Source, demand, read, rust_files};

/// What every room of the core may use: words that have no behaviour of their own.
const GROUND: [&str; 4] = ["error", "limits", "time", "buffers"];

/// A room of the core, and the rooms that it may import besides the ground and itself.
const ROOMS: [(&str, &[&str]); 17] = [
    ("error", &[]),
    ("limits", &[]),
    ("time", &[]),
    ("buffers", &[]),
    ("message", &[]),
    ("wire", &[]),
    ("codec", &["message"]),
    ("service", &[]),
    ("shape", &[]),
    ("fits", &["driver", "service", "shape", "transport"]),
    ("proto", &["wire", "message"]),
    ("transport", &[]),
    ("session", &["wire", "proto", "message"]),
    ("driver", &["wire", "proto", "session", "transport"]),
    ("context", &["proto", "driver", "client", "transport"]),
    (
        "client",
        &[
            "proto",
            "session",
            "driver",
            "wire",
            "codec",
            "message",
            "service",
            "shape",
            "fits",
            "context",
            "transport",
        ],
    ),
    ("server", &["wire", "proto", "session", "driver", "codec", "service", "shape", "context"]),
];

/// Rooms that stand above all others: the crate's face, what generated code sees, and what tests drive.
const ABOVE: [&str; 3] = ["lib", "__private", "testkit"];

fn room(path: &str) -> &str {
    let inside = path.strip_prefix("rpc-core/src/").unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or(inside)
}

/// The rooms that a file names as `crate::room`, with the lines.
fn named_rooms(file: &Source) -> Vec<(usize, String)> {
    let tests_begin = file.without_tests().lines().count();
    let mut named = Vec::new();
    let mut is_list = false;
    for (number, line) in file.code().take(tests_begin) {
        for rest in line.split("crate::").skip(1) {
            is_list = rest.trim_end() == "{";
            // `crate::{a, b}`: each item of the list begins with a room.
            let items = rest.strip_prefix('{').map_or(vec![rest], |list| list.split(',').collect());
            named.extend(items.into_iter().map(|item| (number, first_word(item))));
        }
        if is_list {
            is_list = !line.starts_with('}');
            named.push((number, first_word(line.trim_start())));
        }
    }
    named.retain(|(_, word)| ROOMS.iter().any(|(room, _)| room == word) || ABOVE.contains(&&**word));
    named
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

#[test]
fn rooms_of_the_core_import_downward_only() {
    let mut wrong = Vec::new();
    for file in rust_files(&["rpc-core/src"]) {
        let here = room(&file.path);
        let is_tests = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
        if ABOVE.contains(&here) || is_tests {
            continue;
        }
        let Some((_, below)) = ROOMS.iter().find(|(room, _)| *room == here) else {
            wrong.push(format!("{}: the room {here} has no row in this test", file.path));
            continue;
        };
        for (line, there) in named_rooms(&file) {
            let is_allowed = there == here || GROUND.contains(&&*there) || below.contains(&&*there);
            if !is_allowed {
                wrong.push(format!("{}:{line}: {here} imports {there}", file.path));
            }
        }
    }
    demand("wire ← proto ← session ← {client, server}, driver beside them", &wrong);
}

#[test]
fn the_two_faces_of_a_session_do_not_know_each_other() {
    for (face, other) in [("client", "server"), ("server", "client")] {
        let (_, below) = ROOMS.iter().find(|(room, _)| *room == face).expect("it has a row");
        assert!(!below.contains(&other));
    }
}

/// What the state machine must not know, and what the core must not do.
#[test]
fn the_machine_is_sans_io() {
    let foreign =
        ["std::io", "std::net", "std::thread", "Instant", "Mutex", "RwLock", "Condvar", "Waker", "Atomic"];
    let mut wrong = Vec::new();
    for file in rust_files(&["rpc-core/src/proto", "rpc-core/src/wire"]) {
        let tests_begin = file.without_tests().lines().count();
        for (number, line) in file.code().take(tests_begin) {
            if let Some(word) = foreign.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    demand("wire and proto know no I/O, thread, lock, waker or clock", &wrong);
}

#[test]
fn the_core_makes_no_system_calls() {
    let foreign =
        ["std::net", "std::fs", "std::process", "std::env", "thread::spawn", "rustix", "libc", "tokio::"];
    let mut wrong = Vec::new();
    for file in rust_files(&["rpc-core/src"]) {
        let tests_begin = file.without_tests().lines().count();
        let is_tests = file.path.contains("/tests") || room(&file.path) == "testkit";
        for (number, line) in file.code().take(if is_tests { 0 } else { tests_begin }) {
            if let Some(word) = foreign.iter().find(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    demand("the core makes no system call and knows no runtime", &wrong);
}

/// The names in the section `[dependencies]` of a crate.
fn dependencies(crate_: &str) -> Vec<String> {
    let manifest = read(&format!("{crate_}/Cargo.toml"));
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or(section);
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn crates_import_downward_only() {
    let ours = |crate_: &str| -> Vec<String> {
        dependencies(crate_).into_iter().filter(|name| name.starts_with("farcall")).collect()
    };
    assert_eq!(ours("."), ["farcall-core", "farcall-macros", "farcall-transports"]);
    assert_eq!(ours("transports"), ["farcall-core"]);
    assert!(ours("rpc-core").is_empty() && ours("rpc-macros").is_empty());
    // Its conformance suite, for wires from outside, is a feature.
    let others: Vec<_> = dependencies(".").into_iter().filter(|name| !name.starts_with("farcall")).collect();
    assert_eq!(others, ["serde", "tokio"], "the facade has no more, and these for its testkit");
    let small = ["bincode", "postcard", "rmp-serde", "serde", "serde_json", "slab", "thiserror"];
    for name in dependencies("rpc-core") {
        assert!(small.contains(&&*name), "farcall-core: {name} is no codec and no small data structure");
    }
    for name in dependencies("rpc-macros") {
        assert!(["proc-macro2", "quote", "syn"].contains(&&*name), "farcall-macros: {name}");
    }
}

#[test]
fn the_facade_has_no_logic() {
    let logic: Vec<_> = rust_files(&["src"])
        .iter()
        .filter(|file| file.path == "src/lib.rs")
        .flat_map(Source::functions)
        .map(|(line, name, _)| format!("src/lib.rs:{line}: {name}"))
        .collect();
    demand("src/lib.rs only re-exports", &logic);
}
