//! Options of the program and from outside, put together.

use std::time::Duration;

use farcall_core::driver::Waiting;

use super::*;

fn entries(pairs: &[(&str, &str)]) -> Vec<Entry> {
    let entry = |(line, (key, value)): (usize, &(&str, &str))| Entry {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        place: format!("farcall.toml:{line}"),
    };
    pairs.iter().enumerate().map(entry).collect()
}

fn named(own: &[(&str, &str)], defaults: &[(&str, &str)]) -> Named {
    let place = "`calc` (farcall.toml:1)".to_owned();
    Named { urls: vec!["mem:x".to_owned()], place, own: entries(own), defaults: entries(defaults) }
}

#[track_caller]
fn refused(code: Options, own: &[(&str, &str)], words: &[&str]) {
    let error = code.under(&named(own, &[])).unwrap_err().to_string();
    for word in words.iter().chain(&["farcall.toml:0: "]) {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn the_program_is_stronger_than_the_file_and_the_name_than_the_defaults() {
    let outside = named(&[("deadline", "2s")], &[("deadline", "9s"), ("wait", "park"), ("codec", "bincode")]);
    let options = Options::default().under(&outside).unwrap();
    assert_eq!((options.deadline, options.waiting), (Some(Duration::from_secs(2)), Some(Waiting::Park)));
    let code = Options {
        deadline: Some(Duration::from_secs(1)),
        waiting: Some(Waiting::Spin),
        ..Options::default()
    };
    let options = code.under(&outside).unwrap();
    assert_eq!((options.deadline, options.waiting), (Some(Duration::from_secs(1)), Some(Waiting::Spin)));
}

#[test]
fn limits_are_tightened_from_outside() {
    let code = Options { max_message: Some(1 << 20), window: Some(64), ..Options::default() };
    let outside = named(&[("max_message", "64KiB"), ("trust", "hostile")], &[("window", "8")]);
    let options = code.under(&outside).unwrap();
    assert_eq!(
        (options.max_message, options.window, options.trust),
        (Some(65_536), Some(8), Some(Trust::Hostile))
    );
}

#[test]
fn a_default_of_the_file_loosens_nothing() {
    let code = Options { max_message: Some(1 << 20), trust: Some(Trust::Hostile), ..Options::default() };
    let outside = named(&[], &[("max_message", "8MiB"), ("trust", "trusted"), ("window", "60000")]);
    let options = code.under(&outside).unwrap();
    assert_eq!((options.max_message, options.trust), (Some(1 << 20), Some(Trust::Hostile)));
    assert_eq!(options.window, Some(limits::DEFAULT_WINDOW));
}

#[test]
fn an_entry_that_loosens_is_refused_with_its_line() {
    let code = Options { max_message: Some(1 << 20), ..Options::default() };
    refused(code, &[("max_message", "2MiB")], &["`max_message` is 2097152", "allows 1048576"]);
    refused(Options::default(), &[("window", "257")], &["`window`", "256"]);
    refused(Options::default(), &[("decode_budget", "65MiB")], &["`decode_budget`"]);
    refused(Options::default(), &[("trust", "trusted")], &["`trust`", "builder"]);
}

#[test]
fn a_wrong_unit_is_refused_with_its_line() {
    refused(Options::default(), &[("deadline", "16MiB")], &["`deadline=16MiB` is not a time such as 250ms"]);
    refused(Options::default(), &[("max_message", "250ms")], &["`max_message=250ms` is not a size"]);
    refused(Options::default(), &[("wait", "fast")], &["wait=auto or wait=spin"]);
    refused(Options::default(), &[("window", "0")], &["out of range"]);
    refused(Options::default(), &[("codec", "xml")], &["`xml`"]);
}
