//! The rules of the house that a compiler does not know: who imports whom, where unsafe code may stand, sizes, names, and
//! that every wire is there in all the places that a user looks at.

mod imports;
mod source;
mod wires;

use source::{demand, everything, read, root, rust_files};

/// Lines of a file.
const LONGEST_FILE: usize = 400;

/// Lines of a function.
const LONGEST_FUNCTION: usize = 70;

/// Names that say nothing.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "commons", "manager", "helper", "helpers", "misc"];

#[test]
fn no_file_is_too_long() {
    let long = everything().into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.path))
    });
    demand("a file has at most 400 lines", &long.collect::<Vec<_>>());
}

#[test]
fn no_function_is_too_long() {
    let mut long = Vec::new();
    let mut seen = 0;
    for file in everything() {
        for (line, name, lines) in file.functions() {
            seen += 1;
            if lines > LONGEST_FUNCTION {
                long.push(format!("{}:{line}: {name} has {lines} lines", file.path));
            }
        }
    }
    assert!(seen > 500, "functions are recognised: {seen}");
    demand("a function has at most 70 lines", &long);
}

#[test]
fn every_file_says_first_what_it_owns() {
    let mute = everything().into_iter().filter(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.starts_with("//! ")
    });
    demand("the first line is `//! what it owns`", &mute.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn no_name_is_empty_of_meaning() {
    let mut empty = Vec::new();
    for file in everything() {
        let parts = file.path.trim_end_matches(".rs").split('/');
        // A helper thread is one that helps: the term of the contract.
        let allowed = ["transports/src/wait/helper.rs"];
        if parts.into_iter().any(|part| EMPTY_NAMES.contains(&part)) && !allowed.contains(&&*file.path) {
            empty.push(file.path);
        }
    }
    demand("a module is a noun of the domain", &empty);
}

#[test]
fn crates_without_system_calls_forbid_unsafe_code() {
    for path in ["src/lib.rs", "rpc-core/src/lib.rs", "rpc-macros/src/lib.rs"] {
        assert!(read(path).contains("\n#![forbid(unsafe_code)]\n"), "{path} forbids unsafe code");
    }
}

/// The files that ARCHITECTURE.md lists under this heading.
fn listed_unsafe_files() -> Vec<String> {
    let text = read("ARCHITECTURE.md");
    let list = text.split("\n## Unsafe code\n").nth(1).expect("ARCHITECTURE.md has a section `Unsafe code`");
    let list = list.split("\n## ").next().unwrap_or(list);
    let rows = list.lines().filter_map(|line| line.strip_prefix("- `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn unsafe_code_stands_only_in_the_listed_files() {
    let listed = listed_unsafe_files();
    let mut stray = Vec::new();
    let mut found = Vec::new();
    for file in rust_files(&["src", "rpc-core", "rpc-macros", "transports", "benches", "examples", "tests"]) {
        let Some((line, _)) = file.code().find(|(_, line)| is_unsafe(line)) else { continue };
        if !listed.contains(&file.path) {
            stray.push(format!("{}:{line}", file.path));
        }
        found.push(file.path);
    }
    demand("ARCHITECTURE.md lists every file with unsafe code", &stray);
    let stale: Vec<_> = listed.into_iter().filter(|path| !found.contains(path)).collect();
    demand("ARCHITECTURE.md lists no file without unsafe code", &stale);
}

fn is_unsafe(line: &str) -> bool {
    let at = line.find("unsafe");
    at.is_some_and(|at| line[at..].starts_with("unsafe {") || line[at..].starts_with("unsafe impl"))
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut mute = Vec::new();
    for file in everything() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.code() {
            if !is_unsafe(&line) {
                continue;
            }
            // The statement may begin some lines above the block; its comment stands before it.
            let before = lines[..number - 1].iter().rev().take(12);
            let mut before = before.take_while(|line| !line.trim().is_empty());
            if !before.any(|line| line.trim_start().starts_with("// SAFETY: ")) {
                mute.push(format!("{}:{number}", file.path));
            }
        }
    }
    demand("above an unsafe block stands `// SAFETY:`", &mute);
}

#[test]
fn tests_neither_sleep_nor_are_ignored() {
    let mut lazy = Vec::new();
    for file in everything() {
        let is_test = file.path.contains("tests/") || file.path.ends_with("tests.rs");
        let tests = if is_test { 0 } else { file.without_tests().lines().count() };
        for (number, line) in file.code().skip(tests) {
            if line.contains("thread::sleep") || line.contains("#[ignore") {
                lazy.push(format!("{}:{number}", file.path));
            }
        }
    }
    demand("a test waits for events and is never ignored", &lazy);
}

#[test]
fn every_workspace_member_has_the_shared_lints() {
    for member in [".", "rpc-core", "rpc-macros", "transports", "benches"] {
        let manifest = read(&format!("{member}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} takes the workspace's lints");
    }
    assert!(root().join("CHANGELOG.md").exists());
}
