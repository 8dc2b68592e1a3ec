//! Names resolved in surroundings of the tests' own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

/// `calculator` in a directory with this file and this environment.
fn resolve(file: &str, environment: &[(&str, &str)]) -> Result<Named, Error> {
    resolve_name("calculator", file, environment)
}

fn resolve_name(name: &str, file: &str, environment: &[(&str, &str)]) -> Result<Named, Error> {
    let scratch = tempfile::tempdir().unwrap();
    if !file.is_empty() {
        let path = scratch.path().join("farcall.toml");
        fs::write(&path, file).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let variable = |name: &str| {
        environment.iter().find(|(key, _)| *key == name).map(|(_, value)| std::ffi::OsString::from(value))
    };
    resolve_in(name, &Surroundings { variable: &variable, directory: scratch.path() })
}

/// The error names the file's line and these words.
#[track_caller]
fn refused(file: &str, line: usize, words: &[&str]) {
    let error = resolve(file, &[]).unwrap_err();
    assert_eq!(error.code(), Code::InvalidConfig);
    let place = format!("farcall.toml:{line}: ");
    for word in words.iter().copied().chain([&*place]) {
        assert!(error.to_string().contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn a_file_gives_urls_and_options() {
    let file = "[defaults]\ndeadline = \"2s\"\n\n[service.calculator]\nurl = [\"mem:a\", \"mem:b\"]\nwindow = 1_000\n";
    let named = resolve(file, &[]).unwrap();
    assert_eq!(named.urls, ["mem:a", "mem:b"]);
    assert!(named.place.ends_with("farcall.toml:5)"), "{}", named.place);
    let show = |entries: &[crate::config::Entry]| {
        let [entry] = entries else { panic!("{entries:?}") };
        format!("{}={} {}", entry.key, entry.value, entry.place.rsplit('/').next().unwrap())
    };
    assert_eq!(show(&named.own), "window=1000 farcall.toml:6");
    assert_eq!(show(&named.defaults), "deadline=2s farcall.toml:2");
}

#[test]
fn the_variable_of_a_name_overrides_its_urls_only() {
    let file = "[service.my-calc]\nurl = \"mem:a\"\ndeadline = \"1s\"\n";
    let named = resolve_name("my-calc", file, &[("FARCALL_MY_CALC", "mem:b  mem:c")]).unwrap();
    assert_eq!(named.urls, ["mem:b", "mem:c"]);
    assert_eq!((&*named.place, named.own.len()), ("`my-calc` (FARCALL_MY_CALC)", 1));
}

#[test]
fn without_a_file_the_variable_is_enough() {
    assert_eq!(resolve("", &[("FARCALL_CALCULATOR", "mem:x")]).unwrap().urls, ["mem:x"]);
}

#[test]
fn a_name_that_nobody_knows_says_where_to_write_it() {
    let error = resolve("[service.calculater]\nurl = \"mem:a\"\n", &[]).unwrap_err().to_string();
    for word in ["did you mean `calculater`", "FARCALL_CALCULATOR", "[service.calculator]", "farcall.toml"] {
        assert!(error.contains(word), "`{word}` is missing in: {error}");
    }
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    refused("[service.calculator]\nurl = \"mem:a\"\ndealine = \"1s\"\n", 3, &["`dealine`", "`deadline`"]);
    refused("[servcie.calculator]\nurl = \"mem:a\"\n", 1, &["`servcie`", "`service`"]);
    refused("[defaults]\ncolour = \"red\"\n", 2, &["`colour`", "known here: codec, deadline"]);
}

#[test]
fn an_unknown_key_of_another_service_is_refused_too() {
    refused("[service.other]\nurll = \"mem:a\"\n[service.calculator]\nurl = \"mem:a\"\n", 2, &["`url`"]);
}

#[test]
fn a_number_without_a_unit_is_refused() {
    refused("[service.calculator]\nurl = \"mem:a\"\ndeadline = 250\n", 3, &["deadline", "\"250ms\""]);
    refused("[defaults]\nmax_message = 16\n", 2, &["max_message", "\"16MiB\""]);
    refused("[defaults]\nwindow = 1.5\n", 2, &["window", "whole number"]);
    refused("[defaults]\nwait = true\n", 2, &["wait"]);
}

#[test]
fn two_urls_for_one_name_are_refused() {
    refused(
        "[service.calculator]\nurl = \"mem:a\"\n\nurl = \"mem:b\"\n",
        4,
        &["`url`", "second time", "a list"],
    );
    let twice = "[service.calculator]\nurl = \"mem:a\"\n[service.calculator]\nurl = \"mem:b\"\n";
    refused(twice, 3, &["second time"]);
    let alike = "[service.my-calc]\nurl = \"mem:a\"\n[service.my_calc]\nurl = \"mem:b\"\n";
    refused(alike, 3, &["`my-calc`", "`my_calc`", "FARCALL_MY_CALC"]);
}

#[test]
fn a_name_that_leads_to_itself_is_refused() {
    refused("[service.calculator]\nurl = \"calculator\"\n", 2, &["leads to itself", "write a URL"]);
    refused("[service.calculator]\nurl = [\"mem:a\",\n\"other\"]\n", 3, &["leads to another name"]);
    let error = resolve("", &[("FARCALL_CALCULATOR", "Calculator")]).unwrap_err().to_string();
    assert!(error.contains("FARCALL_CALCULATOR: `calculator` leads to itself"), "{error}");
}

#[test]
fn what_is_no_toml_names_its_line() {
    refused("[defaults]\nwait = \n", 2, &["not TOML"]);
    refused("service = 1\n", 1, &["`service` is a table"]);
    refused("[service.\"a b\"]\nurl = \"mem:a\"\n", 1, &["`a b` cannot be a name"]);
    refused("[service.calculator]\nurl = 5\n", 2, &["quotation marks"]);
    refused("[service.calculator]\nurl = []\n", 2, &["empty list"]);
    refused("[service.calculator]\ndeadline = \"1s\"\n", 1, &["no `url`", "FARCALL_CALCULATOR"]);
}

#[test]
fn an_empty_variable_and_a_reserved_name_are_refused() {
    let error = resolve("", &[("FARCALL_CALCULATOR", " ")]).unwrap_err().to_string();
    assert!(error.contains("FARCALL_CALCULATOR is empty"), "{error}");
    let error = resolve_name("config", "", &[]).unwrap_err().to_string();
    assert!(error.contains("FARCALL_CONFIG has a meaning"), "{error}");
}
