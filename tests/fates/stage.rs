//! Servers to be killed, one way to start them for each wire.

use std::path::{Path, PathBuf};

use crate::door::DEPTH;
use crate::peers::process::{Peer, cast, cast_on_pipes, exec_url};
use crate::peers::remains::others_in;
use crate::peers::service::ProbeClient;

/// The wires that join processes, as far as this build has them.
pub(crate) fn wires() -> Vec<&'static str> {
    let known = |wire: &&str| {
        let nobody: Result<ProbeClient, _> = farcall::connect(url(wire, Path::new("/nobody"))).wait();
        nobody.err().is_some_and(|error| !error.to_string().contains("there is no wire"))
    };
    let all = ["unix", "tcp", "pipe", "exec"].into_iter();
    let optional = ["shm", "posix", "sysv", "mmap", "mq", "fifo"].into_iter().filter(known);
    // To connect to a mailbox makes it.
    let kept = std::iter::once("mailbox").filter(|_| farcall::remove_mailbox("mailbox:/nobody").is_ok());
    let wanted = std::env::var("FARCALL_WIRES").ok();
    let is_wanted = |wire: &&str| wanted.as_ref().is_none_or(|list| list.split(',').any(|w| w == *wire));
    all.chain(optional).chain(kept).filter(is_wanted).collect()
}

/// Those that meet at a path.
pub(crate) fn wires_with_a_place() -> impl Iterator<Item = &'static str> {
    wires().into_iter().filter(|wire| !["tcp", "pipe", "exec", "mailbox"].contains(wire))
}

/// Whether calls on this wire outlive a server that has not taken them.
pub(crate) fn is_kept(wire: &str) -> bool {
    wire == "mailbox"
}

/// A server at its place, unless the client starts it.
pub(crate) struct Stage {
    pub(crate) url: String,
    _peer: Option<Peer>,
}

impl Stage {
    /// A server that takes `window` calls at once and writes into the journal what it does.
    pub(crate) fn raise(wire: &str, directory: &Path, window: u32) -> Stage {
        let journal = journal(directory);
        let (casting, client) = match wire {
            "exec" => {
                return Stage { url: exec_url(&format!("?window={window}"), Some(&journal)), _peer: None };
            }
            "pipe" => cast_on_pipes(&format!("?window={window}")),
            "mailbox" => {
                let url = url(wire, directory);
                (cast("serve", &format!("{url}&take={window}")), url)
            }
            "tcp" => (cast("serve", &format!("tcp://127.0.0.1:0?window={window}")), String::new()),
            _ => {
                let url = url(wire, directory);
                let sign = if url.contains('?') { '&' } else { '?' };
                (cast("serve", &format!("{url}{sign}window={window}")), String::new())
            }
        };
        let peer = casting.journal(&journal).start();
        let url = if client.is_empty() { peer.url().to_owned() } else { client };
        Stage { url, _peer: Some(peer) }
    }
}

/// Of a wire that meets at a path or has a name.
pub(crate) fn url(wire: &str, directory: &Path) -> String {
    let path = directory.join(wire);
    let (scheme, options) = match wire {
        "posix" => ("shm", "?memory=posix&trust=trusted"),
        "sysv" => ("shm", "?memory=sysv"),
        "mmap" => ("mmap", "?trust=trusted"),
        "mailbox" => return format!("mailbox:/{}?depth={DEPTH}", mailbox(directory)),
        other => (other, ""),
    };
    format!("{scheme}:{}{options}", path.display())
}

/// The name of the mailbox that stands for this directory.
pub(crate) fn mailbox(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("farcall-fates-{}-{name}", std::process::id())
}

/// The mailbox that stands for a directory, which goes with this, whatever becomes of the test.
pub(crate) struct Mailbox<'a>(pub(crate) &'a Path);

impl Drop for Mailbox<'_> {
    fn drop(&mut self) {
        let name = mailbox(self.0);
        // A build may be without mailboxes.
        if farcall::remove_mailbox(&format!("mailbox:/{name}")).is_err() || std::thread::panicking() {
            return;
        }
        let user = rustix::process::geteuid().as_raw();
        for directory in [format!("/run/user/{user}/farcall"), format!("/tmp/farcall-{user}")] {
            let mut left = others_in(Path::new(&directory), &[]);
            left.retain(|file| file.contains(&name));
            assert_eq!(left, [""; 0], "arguments that lay beside the mailbox");
        }
    }
}

/// Where the server of this directory writes.
pub(crate) fn journal(directory: &Path) -> PathBuf {
    directory.join("journal")
}
