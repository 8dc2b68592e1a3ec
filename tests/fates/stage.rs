//! Servers to be killed, one way to start them for each wire.

use std::path::{Path, PathBuf};

use crate::peers::process::{Peer, cast, cast_on_pipes, exec_url};
use crate::peers::service::ProbeClient;

/// The wires that join processes, as far as this build has them.
pub(crate) fn wires() -> Vec<&'static str> {
    let known = |wire: &&str| {
        let nobody: Result<ProbeClient, _> = farcall::connect(url(wire, Path::new("/nobody"))).wait();
        nobody.err().is_some_and(|error| !error.to_string().contains("there is no wire"))
    };
    let all = ["unix", "tcp", "pipe", "exec"].into_iter();
    all.chain(["shm", "sysv", "mmap", "mq", "fifo"].into_iter().filter(known)).collect()
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

/// Of a wire that meets at a path.
fn url(wire: &str, directory: &Path) -> String {
    let path = directory.join(wire);
    let (scheme, options) = match wire {
        "sysv" => ("shm", "?memory=sysv"),
        "mmap" => ("mmap", "?trust=trusted"),
        other => (other, ""),
    };
    format!("{scheme}:{}{options}", path.display())
}

/// Where the server of this directory writes.
pub(crate) fn journal(directory: &Path) -> PathBuf {
    directory.join("journal")
}
