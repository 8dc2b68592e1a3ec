//! Bare names: what is wrong in `farcall.toml` is said with its line and what to write instead.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use farcall::{Code, Error};

use crate::alone;
use crate::desk::{DeskClient, desk, says, watch};

/// Runs `test` in a process whose configuration is the file that it writes.
fn configured(name: &str, test: impl FnOnce(&dyn Fn(&str))) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("farcall.toml");
    let variable = format!("FARCALL_CONFIG={}", path.display());
    alone::run(name, &["env", &variable], || {
        let _watchdog = watch(name);
        let path = std::env::var_os("FARCALL_CONFIG").expect("it was set");
        test(&|text| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        });
    });
}

fn reach(name: &str) -> Result<DeskClient, Error> {
    farcall::connect(name).wait()
}

#[test]
fn what_stands_in_the_wrong_table_is_refused_with_its_line() {
    configured("names::what_stands_in_the_wrong_table_is_refused_with_its_line", |write| {
        let service = "[service.calculator]\nurl = \"mem:faces-names\"\n";
        let in_defaults = "`url` is for one name; write it below [service.NAME]";
        let cases: [(String, &[&str]); 8] = [
            (format!("[defaults]\nurl = \"mem:x\"\n{service}"), &["farcall.toml:2: ", in_defaults]),
            (format!("{service}[defaults]\nurl = [\"mem:x\"]\n"), &["farcall.toml:4: ", in_defaults]),
            (
                format!("[defaults]\nurll = \"mem:x\"\n{service}"),
                &["farcall.toml:2: ", "`urll`", "known here: codec"],
            ),
            (format!("url = \"mem:x\"\n{service}"), &["farcall.toml:1: ", "`url`", "below [service.NAME]"]),
            (
                format!("deadline = \"1s\"\n{service}"),
                &["farcall.toml:1: ", "`deadline`", "below [defaults] or [service.NAME]"],
            ),
            (
                "[service]\nurl = \"mem:x\"\n".to_owned(),
                &["farcall.toml:2: ", "`url`", "below [service.NAME]"],
            ),
            (
                format!("[calculator]\nurl = \"mem:x\"\n{service}"),
                &["farcall.toml:1: ", "`calculator`", "[service.calculator]"],
            ),
            (
                format!("{service}trust = \"same-user\"\nring = \"1MiB\"\n"),
                &["farcall.toml:4: ", "`ring`", "url = \"…?ring=…\""],
            ),
        ];
        for (text, words) in cases {
            write(&text);
            says(reach("calculator"), Code::InvalidConfig, words);
            says(farcall::serve("calculator", desk()).wait(), Code::InvalidConfig, words);
        }
    });
}

/// Each option is a key of the file, or the error says that it belongs in the URL.
#[test]
fn every_option_of_the_readme_has_its_place() {
    let name = "names::every_option_of_the_readme_has_its_place";
    configured(name, |write| {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
        let options =
            readme.split("\n## Options\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let rows: Vec<_> =
            options.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
        assert!(rows.len() > 20, "{rows:?}");
        let keys = ["deadline", "max_message", "window", "full", "wait", "codec", "decode_budget", "trust"];
        let server = farcall::serve("mem:faces-options", desk()).wait().unwrap();
        for (option, _) in rows {
            let (key, value) = option.split_once('=').unwrap();
            let service = format!("[service.calculator]\nurl = \"{}\"\n", server.url());
            for table in [
                format!("{service}{key} = \"{value}\"\n"),
                format!("[defaults]\n{key} = \"{value}\"\n{service}"),
            ] {
                write(&table);
                let reached = reach("calculator");
                let Err(error) = reached else {
                    assert!(keys.contains(&key), "`{key}` is not read, and nobody says so");
                    continue;
                };
                let said = error.to_string();
                if keys.contains(&key) {
                    // A name's own entry may ask for more than the program allows.
                    assert!(said.contains("the program allows"), "{said}");
                } else {
                    assert!(
                        said.contains(&format!("`{key}` ")) && said.contains(&format!("?{key}=…")),
                        "{said}"
                    );
                }
            }
        }
    });
}
