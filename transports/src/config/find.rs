//! Where `farcall.toml` is, and whether it may be believed.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use farcall_core::{Code, Error, Fate};

/// The variable that names the file.
pub(super) const CONFIG: &str = "FARCALL_CONFIG";

/// The file's name.
const FILE: &str = "farcall.toml";

/// Bytes of a file; nobody writes more by hand.
const LARGEST: u64 = 1024 * 1024;

/// Bits of the mode with which others than the owner could write.
const OTHERS_WRITE: u32 = 0o022;

/// What surrounds the process: tests have surroundings of their own.
pub(super) struct Surroundings<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The working directory: empty for the process's own.
    pub(super) directory: &'a Path,
}

/// The file, read once.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Surroundings<'_> {
    /// The file's path if a variable names it; else the places to look at, in order.
    fn candidates(&self) -> Result<PathBuf, Vec<PathBuf>> {
        let set = |name: &str| (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = set(CONFIG) {
            return Ok(path);
        }
        let home = || set("HOME").map(|home| home.join(".config"));
        let user = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(home);
        let user = user.map(|directory| directory.join("farcall").join(FILE));
        Err([Some(self.directory.join(FILE)), user].into_iter().flatten().collect())
    }

    /// The file, if there is one.
    ///
    /// # Errors
    /// It may not be believed, or cannot be read.
    pub(super) fn find(&self) -> Result<Option<Found>, Error> {
        let candidates = match self.candidates() {
            Ok(path) => {
                return match read(&path)? {
                    Some(text) => Ok(Some(Found { path, text })),
                    None => Err(refuse(&path, format_args!("there is no such file; correct {CONFIG}"))),
                };
            }
            Err(candidates) => candidates,
        };
        for path in candidates {
            if let Some(text) = read(&path)? {
                return Ok(Some(Found { path, text }));
            }
        }
        Ok(None)
    }

    /// Where the file would be, in words.
    pub(super) fn places(&self) -> String {
        let candidates = self.candidates().map_or_else(|many| many, |one| vec![one]);
        candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
    }
}

/// The file's text; `None` if there is no file.
fn read(path: &Path) -> Result<Option<String>, Error> {
    // Without waiting for a writer, if somebody has put a FIFO there.
    let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag of open fits");
    match OpenOptions::new().read(true).custom_flags(nonblock).open(path) {
        Ok(file) => read_trusted(path, file).map(Some),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// The text of a file that only this user and root can have written: it may name programs to start.
fn read_trusted(path: &Path, mut file: File) -> Result<String, Error> {
    let about = file.metadata().map_err(|error| unreadable(path, error))?;
    if !about.is_file() {
        return Err(refuse(path, "it is not a regular file"));
    }
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me && about.uid() != 0 {
        let text = format!(
            "it belongs to user {}, who is neither {me}, which runs this program, nor root; change its owner",
            about.uid()
        );
        return Err(denied(path, text));
    }
    if about.mode() & OTHERS_WRITE != 0 {
        return Err(denied(path, "others may write to it; take that away (chmod go-w)"));
    }
    let mut text = String::new();
    match file.by_ref().take(LARGEST + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > LARGEST => Err(refuse(path, "it is larger than 1 MiB; shorten it")),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(refuse(path, "it is not UTF-8; save it as that"))
        }
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    refuse(path, format_args!("it cannot be read: {error}")).with_source(error)
}

fn denied(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(Code::PermissionDenied, Fate::NotSent, format!("{}: {why}", path.display()))
}

fn refuse(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::config(format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }

    /// Looks with these variables, in this directory.
    fn find(variables: &[(&str, &Path)], directory: &Path) -> Result<Option<String>, Error> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, path)| path.as_os_str().to_owned())
        };
        let found = Surroundings { variable: &variable, directory }.find()?;
        Ok(found.map(|found| found.text))
    }

    #[test]
    fn the_variable_comes_first_then_the_directory_then_the_users_own() {
        let scratch = tempfile::tempdir().unwrap();
        let [named, here, user] = ["named.toml", "here/farcall.toml", "home/.config/farcall/farcall.toml"]
            .map(|path| scratch.path().join(path));
        let home = scratch.path().join("home");
        let directory = scratch.path().join("here");
        let variables: [(&str, &Path); 2] = [("HOME", &home), (CONFIG, &named)];
        assert_eq!(find(&variables[..1], &directory), Ok(None));
        for (path, text) in [(&user, "user"), (&here, "here"), (&named, "named")] {
            write(path, text);
            let known = if text == "named" { 2 } else { 1 };
            assert_eq!(find(&variables[..known], &directory).unwrap().as_deref(), Some(text));
        }
    }

    #[test]
    fn a_file_that_the_variable_names_must_be_there() {
        let scratch = tempfile::tempdir().unwrap();
        let error = find(&[(CONFIG, &scratch.path().join("gone.toml"))], scratch.path()).unwrap_err();
        assert!(error.to_string().contains("gone.toml: there is no such file"), "{error}");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("farcall.toml");
        for mode in [0o664, 0o646] {
            write(&path, "");
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = find(&[], scratch.path()).unwrap_err();
            assert_eq!(error.code(), Code::PermissionDenied);
            assert!(error.to_string().contains("chmod go-w"), "{error}");
        }
    }

    #[test]
    fn neither_fifo_nor_directory_nor_a_huge_file_is_read() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("farcall.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        let refused = |word: &str| {
            let error = find(&[], scratch.path()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        refused("not a regular file");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("not a regular file");
        fs::remove_dir(&path).unwrap();
        write(&path, &"#".repeat(1024 * 1024 + 1));
        refused("larger than 1 MiB");
    }
}
