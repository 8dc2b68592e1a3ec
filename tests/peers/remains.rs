//! What a server may leave in the tables of the kernel: names that stand for a moment, all made of one number, which its
//! lock file says.

use std::path::{Path, PathBuf};

/// The number of a server.
pub struct Mark(String);

impl Mark {
    /// That of whoever holds this lock or held it last; `None`: it makes no such names.
    pub fn in_lock(path: &Path) -> Option<Mark> {
        let text = std::fs::read_to_string(path).ok()?;
        let number = text.split_whitespace().nth(1).filter(|number| number.len() == 32)?;
        Some(Mark(number.to_owned()))
    }

    /// The names that stand.
    pub fn names(&self) -> Vec<String> {
        let number = &self.0;
        let object = PathBuf::from(format!("/dev/shm/farcall-{number}"));
        let key = number.get(..7).and_then(|digits| i32::from_str_radix(digits, 16).ok()).map(|key| key | 1);
        let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        let mut lines =
            segments.lines().filter_map(|line| line.split_whitespace().next()?.parse::<i32>().ok());
        let mut names = Vec::new();
        names.extend(object.exists().then(|| format!("the shared memory {}", object.display())));
        names
            .extend(lines.any(|found| Some(found) == key).then(|| format!("a segment with the key {key:?}")));
        // There is no other way to ask for a queue where nobody has mounted them; and if it is there, something has failed.
        let is_queue = farcall::remove_mailbox(&format!("mailbox:/farcall-{number}")).unwrap_or(false);
        names.extend(is_queue.then(|| format!("the queue farcall-{number}")));
        names
    }
}

/// The names in a directory, except for those.
pub fn others_in(directory: &Path, known: &[&str]) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !known.contains(&name.as_str())).collect();
    names.sort();
    names
}
