//! The service of the tour, its one implementation, and what it says about files.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Lines that one answer holds at most, so that it stays far below the limit of a message.
const MOST_LINES: usize = 20_000;

/// Bytes of a line that an answer repeats.
const LINE_SHOWN: usize = 200;

/// Bytes of a file in which a zero byte means that it is no text.
const SNIFFED: u64 = 8 * 1024;

/// What a count of words comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Words {
    /// Runs of bytes between white space.
    pub(crate) words: u64,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// A line that contains the pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Where it is, from the directory that was searched.
    pub(crate) file: String,
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The line, cut if it is very long.
    pub(crate) text: String,
}

/// What a search comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The lines, by file and number.
    pub(crate) lines: Vec<Line>,
    /// There are more than one answer holds.
    pub(crate) is_cut: bool,
}

/// Why a file or directory could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unreadable(pub String);

/// Questions about files, answered where they lie.
#[farcall::service]
pub(crate) trait Search {
    /// Counts the words of a file.
    #[blocking]
    fn count(&self, file: &str) -> Result<Words, Unreadable>;

    /// The lines that contain `pattern`, in the text files under `directory`.
    #[blocking]
    fn find(&self, directory: &str, pattern: &str) -> Result<Found, Unreadable>;
}

/// The implementation: for the local calls and for every server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Files {
    /// Answers are wrong on purpose: the tour has to notice.
    pub(crate) is_lying: bool,
}

impl Search for Files {
    fn count(&self, file: &str) -> Result<Words, Unreadable> {
        let mut counted = count(Path::new(file)).map_err(|error| unreadable(file, &error))?;
        counted.words += u64::from(self.is_lying);
        Ok(counted)
    }

    fn find(&self, directory: &str, pattern: &str) -> Result<Found, Unreadable> {
        let root = Path::new(directory);
        let mut found = Found { lines: Vec::new(), is_cut: false };
        for file in tree(root).map_err(|error| unreadable(directory, &error))?.files {
            let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            // Nobody can search a file that vanishes or may not be read; the others count.
            let _ = find_in(&file, &name, pattern, &mut found);
        }
        Ok(found)
    }
}

fn unreadable(path: &str, error: &io::Error) -> Unreadable {
    Unreadable(format!("{path}: {error}"))
}

fn count(path: &Path) -> io::Result<Words> {
    let mut file = File::open(path)?;
    let (mut words, mut bytes, mut is_inside) = (0, 0, false);
    let mut buf = [0; 64 * 1024];
    loop {
        let read = file.read(&mut buf)?;
        if read == 0 {
            return Ok(Words { words, bytes });
        }
        bytes += read as u64;
        for byte in &buf[..read] {
            let is_space = byte.is_ascii_whitespace();
            words += u64::from(!is_space && !is_inside);
            is_inside = !is_space;
        }
    }
}

fn find_in(path: &Path, name: &str, pattern: &str, found: &mut Found) -> io::Result<()> {
    let mut head = Vec::new();
    File::open(path)?.take(SNIFFED).read_to_end(&mut head)?;
    if head.contains(&0) {
        return Ok(());
    }
    let mut lines = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if lines.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end();
        if !text.contains(pattern) {
            continue;
        }
        if found.lines.len() == MOST_LINES {
            found.is_cut = true;
            break;
        }
        let text = text[..text.floor_char_boundary(LINE_SHOWN)].to_owned();
        found.lines.push(Line { file: name.to_owned(), number, text });
    }
    Ok(())
}

/// What lies under a directory, in order.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Every regular file.
    pub(crate) files: Vec<PathBuf>,
    /// Every directory, the first included.
    pub(crate) directories: Vec<PathBuf>,
}

/// Lists a directory and all below it. Hidden entries, symbolic links and directories that call themselves a cache (such
/// as cargo's `target`) are left out.
///
/// # Errors
/// `root` itself cannot be listed.
pub(crate) fn tree(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::default();
    let mut open = vec![(root.to_owned(), fs::read_dir(root)?)];
    while let Some((directory, entries)) = open.pop() {
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_file() {
                tree.files.push(path);
            } else if kind.is_dir()
                && !path.join("CACHEDIR.TAG").exists()
                && let Ok(entries) = fs::read_dir(&path)
            {
                open.push((path, entries));
            }
        }
        tree.directories.push(directory);
    }
    tree.files.sort();
    tree.directories.sort();
    Ok(tree)
}
