//! A short run of the real program: what it prints, what it writes, and what it leaves behind.

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farcall-bench")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn filtered_run_reports_the_case_with_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("found.json");
    let ended = bench(&[
        "--rounds=1",
        "--slice=20",
        "--json",
        file.to_str().unwrap(),
        "raw/unix/await",
        "/one/",
        "/null/",
    ]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let table = text(&ended.stdout);
    assert!(table.contains("raw/unix/await/park/one/null/32/1"), "{table}");
    assert!(table.contains("raw/unix/wait/park"), "{table}");
    let json = std::fs::read_to_string(file).unwrap();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let unix: Vec<_> = lines.iter().filter(|line| line["wire"] == "unix").collect();
    assert_eq!(unix.len(), 2, "{json}");
    for line in unix {
        for key in ["p50_ns", "p99_ns", "calls_per_s", "cpu_ns_per_call"] {
            assert!(line[key].as_u64().unwrap() > 0, "{key} in {line}");
        }
    }
}

#[test]
fn every_raw_wire_and_wait_is_measured() {
    let ended = bench(&["--rounds=1", "--slice=10", "raw/", "/free/", "/65536/"]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let table = text(&ended.stdout);
    let rows = table.lines().filter(|line| line.contains("/echo/65536/1 ")).count();
    assert_eq!(rows, 11, "{table}");
}

#[test]
fn filter_without_match_is_an_error_that_names_the_remedy() {
    let ended = bench(&["no-such-case"]);
    assert!(!ended.status.success());
    assert!(text(&ended.stderr).contains("`--list` prints the labels"));
}

#[test]
fn list_prints_labels_and_measures_nothing() {
    let ended = bench(&["--list", "raw/tcp/wait/park/one/null"]);
    assert!(text(&ended.stdout).ends_with("raw/tcp/wait/park/one/null/32/1\n"));
    assert!(ended.stderr.is_empty());
}

#[test]
fn special_subjects_answer_their_questions() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("found.json");
    let arguments = ["--rounds=1", "--slice=20", "--rest=20", "--json", file.to_str().unwrap()];
    let ended = bench(&[&arguments[..], &["farcall/unix/await/park", "/32/1$"]].concat());
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let json = std::fs::read_to_string(file).unwrap();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = [
        ("polite", "poll_p99_ns"),
        ("polite", "busy_share"),
        ("idle", "rest_server_cpu_ns"),
        ("many", "alone_p50_ns"),
        ("many", "server_rss_per_connection"),
    ];
    for (op, key) in keys {
        let line = lines.iter().find(|line| line["op"] == op).unwrap();
        assert!(line[key].is_number(), "{key} in {line}");
    }
    let table = text(&ended.stdout);
    for header in ["beside a busy task", "at rest", "one of many busy"] {
        assert!(table.contains(header), "{table}");
    }
}

#[test]
fn calls_are_measured_on_every_wire_of_the_build() {
    let ended = bench(&["--rounds=1", "--slice=10", "farcall/", "/park/free/echo/65536/1$"]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let table = text(&ended.stdout);
    for wire in ["pipe", "exec", "unix", "tcp"] {
        for style in ["wait", "await"] {
            let label = format!("| farcall/{wire}/{style}/park/free/echo/65536/1 ");
            assert!(table.contains(&label), "{table}");
        }
    }
}
