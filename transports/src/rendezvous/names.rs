//! Where a name lives: in a directory of this user, of which there are two to look in, or at a path that the URL gives.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use farcall_core::{Code, Error, Fate};
use rustix::fs::{CWD, Mode, OFlags, fstat, mkdir, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::refusal::refused;
use crate::unix::Place;
use crate::url::{Url, encode_path};

/// Bytes of a name: with its `.lock` it is a file's.
const LONGEST_NAME: usize = 200;

/// Where directories for names may be. No environment variable takes part, so that all programs of a user agree.
pub(crate) struct Doors {
    /// Holds a directory for each user that has logged in.
    runtime: PathBuf,
    /// Open to everybody.
    temporary: PathBuf,
}

/// A meeting point.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) place: Place,
    /// What stands behind the scheme in its URL.
    pub(crate) address: String,
}

/// What a URL of a rendezvous names.
enum Named<'a> {
    Path,
    Name(&'a str),
}

impl Default for Doors {
    fn default() -> Self {
        Doors { runtime: PathBuf::from("/run/user"), temporary: PathBuf::from("/tmp") }
    }
}

impl Doors {
    /// Where to serve what the URL names. The directory is made if need be.
    pub(crate) fn to_serve(&self, url: &Url) -> Result<Door, Error> {
        let name = match named(url)? {
            Named::Path => return at_path(url),
            Named::Name(name) => name,
        };
        for directory in self.directories() {
            if directory.make(url)? {
                return Ok(directory.door(name));
            }
        }
        Err(Error::new(
            Code::Unavailable,
            Fate::NotSent,
            format!(
                "{url}: there is no directory for names; serve a path, for example {}:/path",
                url.scheme()
            ),
        ))
    }

    /// Where what the URL names may be served, in the order in which to look.
    pub(crate) fn to_visit(&self, url: &Url) -> Result<Vec<Door>, Error> {
        let name = match named(url)? {
            Named::Path => return Ok(vec![at_path(url)?]),
            Named::Name(name) => name,
        };
        let mut doors = Vec::new();
        for directory in self.directories() {
            if directory.is_ours(url)? {
                doors.push(directory.door(name));
            }
        }
        Ok(doors)
    }

    /// Where one would look for what the URL names if every directory were there.
    pub(crate) fn sought(&self, url: &Url) -> Vec<Door> {
        match named(url) {
            Ok(Named::Name(name)) => {
                self.directories().iter().map(|directory| directory.door(name)).collect()
            }
            Ok(Named::Path) | Err(_) => at_path(url).into_iter().collect(),
        }
    }

    /// The directories of this user that are there, and at least one: the first that can be is made.
    #[cfg(feature = "mailbox")]
    pub(crate) fn own(&self, url: &Url) -> Result<Vec<PathBuf>, Error> {
        let mut own = Vec::new();
        for directory in self.directories() {
            let is_there = if own.is_empty() { directory.make(url)? } else { directory.is_ours(url)? };
            if is_there {
                own.push(directory.path);
            }
        }
        Ok(own)
    }

    fn directories(&self) -> [Directory; 2] {
        let user = geteuid().as_raw();
        [
            Directory { path: self.runtime.join(user.to_string()).join("farcall"), parent_is_ours: true },
            Directory { path: self.temporary.join(format!("farcall-{user}")), parent_is_ours: false },
        ]
    }
}

/// The URL, and the sockets that it stands for where it does not say so itself.
pub(super) fn spelt_out(url: &Url, doors: &[Door]) -> String {
    let places: Vec<_> = doors.iter().map(|door| door.place.text()).collect();
    match doors {
        [Door { place: Place::Path(path), .. }] if path == url.path() => url.to_string(),
        _ => format!("{url} ({})", places.join(" or ")),
    }
}

fn named(url: &Url) -> Result<Named<'_>, Error> {
    let path = url.path().as_os_str().as_bytes();
    if path.contains(&b'/') {
        url.without_host()?;
        return Ok(Named::Path);
    }
    let name = url.name()?;
    let wrong = |why: &str| {
        Err(url.refuse(format!(
            "`{name}` cannot be a name: {why}; write for example {}:calculator",
            url.scheme()
        )))
    };
    if name.starts_with('@') {
        return wrong("abstract names are for unix: only");
    }
    if name.starts_with('.') || name.ends_with(".lock") || name.chars().any(char::is_control) {
        return wrong("it is the name of a file, which neither begins with `.` nor ends with `.lock`");
    }
    if name.len() > LONGEST_NAME {
        return wrong("it is longer than 200 bytes");
    }
    Ok(Named::Name(name))
}

fn at_path(url: &Url) -> Result<Door, Error> {
    let place = Place::of(url)?;
    let address = encode_path(place.text().as_bytes());
    Ok(Door { place, address })
}

/// A directory for names.
struct Directory {
    path: PathBuf,
    /// The directory above it must belong to this user; otherwise everybody may write to it, and it to nobody else.
    parent_is_ours: bool,
}

impl Directory {
    fn door(&self, name: &str) -> Door {
        Door { place: Place::Path(self.path.join(name)), address: encode_path(name.as_bytes()) }
    }

    /// Makes it if it can be here. `false`: this system has no place for it.
    fn make(&self, url: &Url) -> Result<bool, Error> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        if self.parent_is_ours
            && !matches!(owner_and_mode(parent), Ok((owner, _)) if owner == geteuid().as_raw())
        {
            return Ok(false);
        }
        match mkdir(&self.path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => self.is_ours(url),
            Err(Errno::NOENT | Errno::ACCESS | Errno::ROFS | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(refused(url, "making the directory for names", errno, &[])),
        }
    }

    /// Whether it is there and this user's alone. `false`: it is not there.
    ///
    /// # Errors
    /// Something else is in its place: whoever put it there could stand between the two sides.
    fn is_ours(&self, url: &Url) -> Result<bool, Error> {
        let what = match owner_and_mode(&self.path) {
            Ok((owner, mode)) if owner == geteuid().as_raw() => {
                if !mode.intersects(Mode::RWXG | Mode::RWXO) {
                    return Ok(true);
                }
                "is open to other users; use chmod go-rwx"
            }
            Ok(_) => "belongs to another user; remove it",
            Err(Errno::NOENT | Errno::ACCESS) => return Ok(false),
            Err(Errno::NOTDIR | Errno::LOOP) if self.parent_is_ours && !self.path.exists() => {
                return Ok(false);
            }
            Err(Errno::NOTDIR | Errno::LOOP) => "is no directory; remove it",
            Err(errno) => return Err(refused(url, "looking at the directory for names", errno, &[])),
        };
        let text = format!("{url}: {} {what}, or use a path", self.path.display());
        Err(Error::new(Code::PermissionDenied, Fate::NotSent, text))
    }
}

/// Of a directory, which is not reached through a link at its end.
fn owner_and_mode(path: &Path) -> rustix::io::Result<(u32, Mode)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = fstat(openat(CWD, path, flags, Mode::empty())?)?;
    Ok((found.st_uid, Mode::from_raw_mode(found.st_mode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// A system whose users log in, and one whose users do not.
    fn systems() -> (tempfile::TempDir, Doors, Doors) {
        let root = tempfile::tempdir().unwrap();
        let user = root.path().join("run").join(geteuid().as_raw().to_string());
        fs::create_dir_all(user).unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        let doors =
            |runtime: &str| Doors { runtime: root.path().join(runtime), temporary: root.path().join("tmp") };
        let (with, without) = (doors("run"), doors("absent"));
        (root, with, without)
    }

    fn path(door: &Door) -> &Path {
        match &door.place {
            Place::Path(path) => path,
            Place::Abstract(_) => panic!("{door:?}"),
        }
    }

    #[test]
    fn a_name_is_served_where_the_system_keeps_what_is_running_else_where_it_keeps_what_is_temporary() {
        let (root, with, without) = systems();
        assert!(with.to_visit(&url("shm:calc")).unwrap().is_empty(), "nobody has served anything");
        let user = geteuid().as_raw();
        let door = with.to_serve(&url("shm:calc")).unwrap();
        assert_eq!(path(&door), root.path().join(format!("run/{user}/farcall/calc")));
        let door = without.to_serve(&url("shm:calc")).unwrap();
        assert_eq!(path(&door), root.path().join(format!("tmp/farcall-{user}/calc")));
        let mode = fs::metadata(path(&door).parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(with.to_visit(&url("shm:calc")).unwrap().len(), 2, "a client tries both");
        assert_eq!(without.to_visit(&url("shm:calc")).unwrap().len(), 1);
    }

    #[test]
    fn a_path_is_a_path() {
        let (_root, with, _) = systems();
        let door = with.to_serve(&url("shm:/run/x%20y")).unwrap();
        assert_eq!((path(&door), &*door.address), (Path::new("/run/x y"), "/run/x%20y"));
        assert_eq!(
            path(&with.to_visit(&url("local:./x")).unwrap()[0]),
            std::env::current_dir().unwrap().join("x")
        );
    }

    #[test]
    fn what_is_not_ours_alone_is_refused() {
        let (root, _, without) = systems();
        let planted = root.path().join(format!("tmp/farcall-{}", geteuid().as_raw()));
        symlink(root.path(), &planted).unwrap();
        let refused = |words: &str| {
            for error in [without.to_serve(&url("shm:x")).err(), without.to_visit(&url("shm:x")).err()] {
                let error = error.unwrap();
                assert_eq!(error.code(), Code::PermissionDenied);
                assert!(error.to_string().contains(words), "{error}");
            }
        };
        refused("no directory");
        fs::remove_file(&planted).unwrap();
        fs::create_dir(&planted).unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o750)).unwrap();
        refused("chmod");
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o700)).unwrap();
        without.to_serve(&url("shm:x")).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&planted, Some(65534), None).unwrap();
            refused("another user");
        }
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_in_words() {
        let (_root, with, _) = systems();
        let long = format!("shm:{}", "x".repeat(201));
        for (text, words) in [
            ("shm:", "name is missing"),
            ("shm:.x", "begins with"),
            ("shm:x.lock", ".lock"),
            ("shm:@x", "abstract"),
            ("shm:a/b", "absolute path"),
            ("shm:/", "no file"),
            ("shm://host/x", "knows no host"),
            (&*long, "200 bytes"),
        ] {
            let error = with.to_serve(&url(text)).err().unwrap();
            assert_eq!(error.code(), Code::InvalidConfig);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
