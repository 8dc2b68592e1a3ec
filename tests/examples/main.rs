//! The examples do what they say: each is run as a process, under a watchdog.

mod program;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use program::Program;

const WIRES: [&str; 13] = [
    "mem:NAME",
    "unix:/path",
    "unix:@name",
    "shm:/path ",
    "shm:/path?memory=sysv",
    "mmap:/path",
    "mq:/path",
    "local:/path",
    "mailbox:/NAME",
    "tcp://127.0.0.1",
    "fifo:/path",
    "fd:R,W",
    "exec: / stdio:",
];

fn sources() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/src")
}

#[test]
fn hello_says_hello_over_every_wire_with_a_meeting_point() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", scratch.path().join("hello.sock").display());
    let name = format!("unix:@farcall-hello-{}", std::process::id());
    for url in ["mem:hello", "tcp://127.0.0.1:0", &socket, &name] {
        let ended = Program::example("hello").arg(url).run();
        assert_eq!(
            ended.stdout,
            "blocking: 2 + 3 = 5, -7 = -7\nblocking: 1 / 0 fails: division by zero\n\
             async: 2 + 3 = 5, hello, farcall\n",
            "{url}: {}",
            ended.stderr
        );
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn child_process_talks_to_its_child_and_sees_it_die() {
    let ended = Program::example("child_process").run();
    assert_eq!(
        ended.stdout,
        "reversed by the child: llacraf\nthe child is another process: true\nthe child knows its caller: true\n\
         the child died during the call, whose fate is Unknown\n",
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("this is no reply"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn cancel_and_deadline_end_every_handler() {
    let ended = Program::example("cancel_and_deadline").run();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}{}", ended.stdout, ended.stderr);
    assert!(lines[0].starts_with("deadline: DeadlineExceeded") && lines[0].ends_with("dropped"), "{lines:?}");
    assert_eq!(lines[1], "drop: it started, its future was dropped");
    assert_eq!(lines[2], "blocking: it started, it saw that nobody waits");
    assert!(
        lines[3].starts_with("inherited: DeadlineExceeded") && lines[3].ends_with("dropped"),
        "{lines:?}"
    );
    assert_eq!(ended.code, Some(0));
}

#[test]
fn custom_transport_carries_calls() {
    let ended = Program::example("custom_transport").run();
    assert!(ended.stdout.starts_with("22000 bytes came back, "), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn producers_and_consumers_share_a_bounded_mailbox() {
    let ended = Program::example("producer_consumer").run();
    let expected = "120 items produced, 120 stored\nevery consumer had its share: true\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn daytime_tells_many_clients_the_time() {
    let ended = Program::example("daytime").run();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 9, "{}{}", ended.stdout, ended.stderr);
    for (number, line) in lines[..8].iter().enumerate() {
        let is_time = line.starts_with(&format!("client {number}: it is ")) && line.ends_with(" UTC");
        assert!(is_time, "{line}");
    }
    assert_eq!(lines[8], "8 clients, 80 answers");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_client_of_daytime_without_a_server_fails() {
    let absent = format!("unix:@farcall-daytime-{}", std::process::id());
    let ended = Program::example("daytime").arg("ask").arg(&absent).run();
    assert!(ended.stderr.contains(&absent), "{}", ended.stderr);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
}

#[test]
fn four_styles_count_the_same_over_different_wires() {
    let name = format!("farcall-styles-{}", std::process::id());
    for url in ["mem:styles", "tcp://127.0.0.1:0", &format!("unix:@{name}"), &format!("shm:{name}")] {
        let ended = Program::example("four_styles").arg(url).run();
        let expected: String = ["blocking", "async", "polling", "callback"]
            .map(|style| format!("{style}: 5133 primes below 50000\n"))
            .concat();
        assert_eq!(ended.stdout, expected, "{url}: {}", ended.stderr);
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn child_report_hears_of_its_child_at_each_tick() {
    let ended = Program::example("child_report").run();
    let ticks: String = (1..=5).map(|tick| format!("tick {tick}: the child is running\n")).collect();
    let expected = format!("{ticks}5 reports, then the child ended: exit status: 0\n");
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn configured_moves_over_three_wires_by_its_file() {
    let ended = Program::example("configured").run();
    let expected = "2 + 3 = 5 over unix\n2 + 3 = 5 over shm\n2 + 3 = 5 over tcp\n";
    assert_eq!(ended.stdout, expected, "{}", ended.stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn small_examples_have_under_a_hundred_lines() {
    for name in [
        "child_process",
        "child_report",
        "configured",
        "custom_transport",
        "daytime",
        "four_styles",
        "hello",
        "parallel_sum",
        "producer_consumer",
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
        assert!(std::fs::read_to_string(source).unwrap().lines().count() < 100, "{name}");
    }
}

#[test]
fn a_server_whose_file_is_wrong_says_file_line_and_remedy() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("farcall.toml");
    std::fs::write(&file, "[service.calculator]\nurl = \"mem:x\"\ndealine = \"1s\"\n").unwrap();
    for role in ["serve", "call"] {
        let file = file.to_str().unwrap();
        let ended = Program::example("configured").arg(role).env("FARCALL_CONFIG", file).run();
        let expected = format!("{file}:3: unknown key `dealine`; did you mean `deadline`");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert_eq!(ended.code, Some(1));
    }
}

#[test]
fn parallel_sum_is_the_same_however_it_is_shared() {
    let ended = Program::example("parallel_sum").run();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(lines[0], "two children: 50000005000000");
    assert!(lines[1].ends_with("× as fast as one"), "{}", lines[1]);
    assert_eq!(lines[2], "one worker over each of 5 wires: 50000005000000");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn tour_visits_every_wire_and_all_answers_agree() {
    let ended = Program::example("tour").arg(sources()).arg("pub").run();
    for wire in WIRES {
        let line = ended.stdout.lines().find(|line| line.starts_with(wire));
        let line = line.unwrap_or_else(|| panic!("no line for {wire}: {}{}", ended.stdout, ended.stderr));
        assert_eq!(line.matches("µs").count(), 2, "{line}");
    }
    assert!(ended.stdout.ends_with("every answer agrees\n"), "{}", ended.stdout);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn tour_fails_when_servers_lie() {
    let ended = Program::example("tour").arg(sources()).env("FARCALL_TOUR_LIE", "1").run();
    assert_eq!(ended.stdout.matches("DISAGREES").count(), WIRES.len(), "{}", ended.stdout);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

#[test]
fn tour_of_a_directory_that_is_not_there_says_so() {
    let ended = Program::example("tour").arg("/nowhere/at/all").run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("/nowhere/at/all"), "{}", ended.stderr);
}

#[test]
fn tour_answers_about_names_and_bytes_that_are_no_text() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("a b%é.txt"), b"one two\nthree \xFF needle\n\nneedle").unwrap();
    std::fs::write(scratch.path().join("binary"), b"needle\0needle").unwrap();
    std::fs::write(scratch.path().join("empty"), b"").unwrap();
    std::fs::create_dir(scratch.path().join("hollow")).unwrap();
    std::os::unix::fs::symlink(scratch.path(), scratch.path().join("round")).unwrap();
    let ended = Program::example("tour").arg(scratch.path()).arg("needle").run();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.starts_with("5 questions"), "{}", ended.stdout);
}

/// All processes of a tour hold its standard error, so that its end tells that none is left.
#[test]
fn a_killed_tour_leaves_no_server_behind() {
    for seen in 1..=WIRES.len() {
        let mut tour = Program::example("tour").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).start();
        let lines = BufReader::new(tour.child.stdout.take().unwrap()).lines();
        assert_eq!(lines.take(seen + 1).filter_map(Result::ok).count(), seen + 1);
        let _ = tour.child.kill();
        let mut said = String::new();
        tour.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    }
}
