//! A wire is there in all the places that a user looks at: registry, feature, README, tour, conformance suite.

use super::source::{read, root, rust_files};

/// Scheme and cargo feature of each wire, as the registry has them.
fn registered() -> Vec<(String, String)> {
    let registry = read("transports/src/registry.rs");
    let table = registry.split("const BUILT_IN").nth(1).and_then(|rest| rest.split("];").next());
    let table = table.expect("the registry has a table BUILT_IN");
    let quoted =
        |row: &str| -> Vec<String> { row.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = table.lines().filter(|line| line.trim_start().starts_with("(\"")).map(quoted);
    let rows: Vec<_> = rows.map(|row| (row[0].clone(), row[1].clone())).collect();
    assert!(rows.len() >= 7, "the table is recognised: {rows:?}");
    rows
}

#[test]
fn every_wire_has_a_cargo_feature() {
    for (scheme, feature) in registered() {
        for manifest in ["Cargo.toml", "transports/Cargo.toml"] {
            let line = format!("\n{feature} = [");
            assert!(read(manifest).contains(&line), "{manifest} has no feature {feature} for {scheme}:");
        }
    }
}

#[test]
fn every_wire_has_a_row_in_the_readme() {
    let readme = read("README.md");
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for (scheme, _) in registered() {
        let is_there = rows.iter().any(|row| row.contains(&format!("`{scheme}:")));
        assert!(is_there, "the README's table of wires has no row for {scheme}:");
    }
}

#[test]
fn every_row_of_the_readmes_wires_tells_everything() {
    let readme = read("README.md");
    let table = readme.split("\n## Wires\n").nth(1).and_then(|rest| rest.trim_start().split("\n\n").next());
    let cells = |row: &str| -> Vec<String> {
        row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<_> = table.expect("the README has the table").lines().map(cells).collect();
    for column in
        ["mechanism", "meeting point", "largest message", "direction", "peers", "survives without a peer"]
    {
        assert!(rows[0].iter().any(|told| told == column), "there is no column `{column}`");
    }
    for row in &rows {
        let is_full = row.len() == rows[0].len() && row.iter().all(|cell| !cell.is_empty());
        assert!(is_full, "the row of {} does not tell everything: {row:?}", row[0]);
    }
}

#[test]
fn every_wire_has_a_row_in_the_crate_documentation() {
    let docs = read("transports/src/lib.rs");
    // `pipe:` only says where to find `fd:`.
    for (scheme, _) in registered().iter().filter(|(scheme, _)| scheme != "pipe") {
        assert!(
            docs.contains(&format!("//! | `{scheme}:")),
            "transports/src/lib.rs has no row for {scheme}:"
        );
    }
}

#[test]
fn every_wire_is_on_the_tour() {
    let tour = read("examples/tour/wires.rs");
    for (scheme, _) in registered().iter().filter(|(scheme, _)| scheme != "pipe") {
        assert!(tour.contains(&format!("{scheme}:")), "the tour does not visit {scheme}:");
    }
}

/// The suite is one macro line per wire; a wire without that line does not exist.
#[test]
fn every_wire_has_a_line_in_the_conformance_tests() {
    let suite =
        ["tests/conformance.rs", "tests/conformance"].into_iter().filter(|path| root().join(path).exists());
    let suite: String =
        suite.flat_map(|path| if path.ends_with(".rs") { vec![read(path)] } else { texts(path) }).collect();
    // `pipe` stands for both its names, `exec` for both ends of a child's streams.
    for wire in ["mem", "unix", "shm", "mmap", "mq", "mailbox", "local", "tcp", "fifo", "pipe", "exec"] {
        assert!(suite.contains(wire), "tests/conformance has no line for {wire}");
    }
}

fn texts(folder: &str) -> Vec<String> {
    rust_files(&[folder]).into_iter().map(|file| file.text).collect()
}
