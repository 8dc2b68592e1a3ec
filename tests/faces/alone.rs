//! Tests that need a process of their own: this program again, with one test.

use std::process::Command;

const ALONE: &str = "FARCALL_TEST_ALONE";

/// Runs `test` in a process of its own. `name` is the test's full name; `through` are words before the program's.
pub(crate) fn run(name: &str, through: &[&str], test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let program = std::env::current_exe().expect("a program has a path").display().to_string();
    let mut words = through.iter().copied().chain([program.as_str(), "--exact", name, "--nocapture"]);
    let mut command = Command::new(words.next().unwrap_or_default());
    let output = command.args(words).env(ALONE, "1").output().expect("it can be started");
    let (said, cried) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}, alone: {}\n{said}{cried}", output.status);
    assert!(said.contains("1 passed"), "{name} is not the test's name:\n{said}");
}
