//! The files of this repository as text, and the little that the rules need to know of Rust.

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file under these folders, except the small programs that only the compiler reads in other tests.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            let is_left_out = name == "target" || name.starts_with('.') || path.ends_with("tests/ui");
            if !is_left_out {
                open.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "there are sources in {folders:?}");
    found
}

/// All Rust that is ours.
pub(crate) fn everything() -> Vec<Source> {
    let folders = ["src", "rpc-core", "rpc-macros", "transports", "benches", "examples", "tests", "fuzz"];
    rust_files(&folders.into_iter().filter(|folder| root().join(folder).exists()).collect::<Vec<_>>())
}

impl Source {
    /// The lines that are code, with their numbers: no comments, no text in quotes.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let mut is_inside = false;
        self.text.lines().enumerate().map(move |(at, line)| (at + 1, strip(line, &mut is_inside)))
    }

    /// The functions: line, name, and number of lines. rustfmt puts the closing brace under the beginning.
    pub(crate) fn functions(&self) -> Vec<(usize, String, usize)> {
        let lines: Vec<(usize, String)> = self.code().collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut found = Vec::new();
        for (at, (number, line)) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let closing = format!("{}}}", " ".repeat(indent(line)));
            let length = lines[at..].iter().position(|(_, end)| {
                *end == closing || (indent(end) == indent(line) && end.trim_end().ends_with([';', '}']))
            });
            if let Some(length) = length {
                found.push((*number, name, length + 1));
            }
        }
        found
    }

    /// The file without its tests, which stand at its end.
    pub(crate) fn without_tests(&self) -> &str {
        self.text.find("#[cfg(test)]\nmod ").map_or(&self.text, |end| &self.text[..end])
    }
}

/// A line without comments and without what stands in quotes. `is_inside`: a text goes on from the line before.
fn strip(line: &str, is_inside: &mut bool) -> String {
    let mut kept = String::new();
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if *is_inside => drop(chars.next()),
            '"' => *is_inside = !*is_inside,
            _ if *is_inside => {}
            '/' if chars.peek() == Some(&'/') => break,
            '\'' => {
                // A quote or a backslash as a character; lifetimes have no second quote.
                let mut ahead = chars.clone();
                let first = ahead.next();
                let ends = if first == Some('\\') { ahead.nth(1) } else { ahead.next() };
                if ends == Some('\'') {
                    chars = ahead;
                }
            }
            _ => kept.push(char),
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let qualifiers = ["async", "const", "unsafe", "extern", "default"];
    loop {
        let word = words.next()?;
        if word == "fn" {
            let name = words.next()?;
            return Some(name.split(['(', '<']).next().unwrap_or(name).to_owned());
        }
        if !word.starts_with("pub") && !word.ends_with(')') && !qualifiers.contains(&word) {
            return None;
        }
    }
}

/// Fails with all violations at once.
pub(crate) fn demand(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}\n", violations.join("\n  "));
}
