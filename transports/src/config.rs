//! What stands outside the program: the URLs and options of a name, from the environment and from `farcall.toml`.

mod document;
mod find;
mod resolve;

pub(crate) use resolve::resolve;

/// The keys of a table of options.
const OPTIONS: [&str; 8] =
    ["codec", "deadline", "decode_budget", "full", "max_message", "trust", "wait", "window"];

/// Options of URLs that are no keys of the file: what they mean depends on the wire, or on the side.
const OF_URLS: [&str; 14] = [
    "arg",
    "check",
    "depth",
    "kill_on_drop",
    "memory",
    "msgsize",
    "n",
    "pdeathsig",
    "plaintext",
    "restart",
    "ring",
    "take",
    "threads",
    "workers",
];

/// An option as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// One of [`OPTIONS`].
    pub(crate) key: String,
    pub(crate) value: String,
    /// File and line.
    pub(crate) place: String,
}

/// What is known of a name.
#[derive(Debug)]
pub(crate) struct Named {
    /// At least one; each begins with a scheme.
    pub(crate) urls: Vec<String>,
    /// The name, and where its URLs stand.
    pub(crate) place: String,
    /// Options for this name.
    pub(crate) own: Vec<Entry>,
    /// Options for every name of the file.
    pub(crate) defaults: Vec<Entry>,
}

/// Whether `text` is a name for this room to resolve, and no URL or path.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
