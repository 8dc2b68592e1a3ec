//! The URL that chooses a wire, taken apart once.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use farcall_core::Error;
use fluent_uri::Uri;
use fluent_uri::pct_enc::{EStr, Encoder};

use crate::query::Query;

/// A URL such as `unix:/run/calc.sock?deadline=250ms`, percent-decoded.
///
/// ```
/// use farcall_transports::Url;
/// let url = Url::parse("tcp://[::1]:4000?plaintext=allow")?;
/// assert_eq!((url.scheme(), url.host(), url.port()), ("tcp", Some("::1"), Some(4000)));
/// # Ok::<(), farcall_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Url {
    text: String,
    scheme: String,
    host: Option<String>,
    port: Option<u16>,
    path: Vec<u8>,
    query: Vec<(String, String)>,
}

impl Url {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// `InvalidConfig`, in a sentence that names the text and what to write instead.
    ///
    /// ```
    /// use farcall::transport::Url;
    /// assert!(Url::parse("unix:/run/calc#1").unwrap_err().to_string().contains("%23"));
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Url, Error> {
        let wrong = |why: String| Error::config(format!("`{text}` is not a usable URL: {why}"));
        let uri = Uri::parse(text).map_err(|error| wrong(describe(text, error.index())))?;
        if uri.fragment().is_some() {
            return Err(wrong("`#` has no meaning here; write it as %23".into()));
        }
        let (host, port) = match uri.authority() {
            None => (None, None),
            Some(authority) if authority.has_userinfo() => {
                return Err(wrong("it must not hold a user name; leave out what stands before `@`".into()));
            }
            Some(authority) => {
                let port = authority
                    .port_to_u16()
                    .map_err(|_| wrong("its port is not a number from 0 to 65535".into()))?;
                let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                (Some(host.to_owned()).filter(|host| !host.is_empty()), port)
            }
        };
        let path = uri.path().decode().to_bytes().into_owned();
        if path.contains(&0) {
            return Err(wrong("it holds a zero byte (%00); remove it".into()));
        }
        let query = uri.query().map_or(Ok(Vec::new()), pairs).map_err(wrong)?;
        let scheme = uri.scheme().as_str().to_ascii_lowercase();
        Ok(Url { text: text.to_owned(), scheme, host, port, path, query })
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What stands between scheme or host and the options, as a path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The same as [`path`](Self::path), as text: a name.
    ///
    /// # Errors
    /// `InvalidConfig` if it is empty or not UTF-8, or if a host stands before it.
    ///
    /// ```
    /// use farcall::transport::Url;
    /// assert_eq!(Url::parse("mem:calculator?window=8")?.name()?, "calculator");
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn name(&self) -> Result<&str, Error> {
        self.without_host()?;
        match std::str::from_utf8(&self.path) {
            Ok("") => {
                Err(self.refuse(format!("a name is missing; write for example {}:calculator", self.scheme)))
            }
            Ok(name) => Ok(name),
            Err(_) => Err(self.refuse("the name is not UTF-8")),
        }
    }

    /// Checks that no host or port is given, for wires that know none.
    ///
    /// # Errors
    /// `InvalidConfig` if there is one.
    pub fn without_host(&self) -> Result<(), Error> {
        match (&self.host, self.port) {
            (None, None) => Ok(()),
            (host, _) => Err(self.refuse(format!(
                "`{0}:` knows no host, but `{1}` stands in its place; write {0}:{1}… with a single slash or none",
                self.scheme,
                host.as_deref().unwrap_or_default()
            ))),
        }
    }

    /// The options after `?`.
    pub fn query(&self) -> Query {
        Query::new(self.text.clone(), self.query.clone())
    }

    /// An error of configuration that names this URL.
    ///
    /// ```
    /// use farcall::transport::Url;
    /// let error = Url::parse("mem:calculator")?.refuse("it is closed today");
    /// assert_eq!(error.to_string(), "mem:calculator: it is closed today");
    /// # Ok::<(), farcall::Error>(())
    /// ```
    pub fn refuse(&self, why: impl fmt::Display) -> Error {
        Error::config(why.to_string()).context(self)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `path` as it may stand in a URL.
#[cfg(feature = "unix")]
pub(crate) fn encode_path(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"/@-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn pairs<E: Encoder>(query: &EStr<E>) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("its option `{}` has no value; write {0}=value", part.as_str()))?;
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

fn decode<E: Encoder>(part: &EStr<E>) -> Result<String, String> {
    match part.decode().to_string() {
        Ok(text) if text.contains('\0') => Err("it holds a zero byte (%00); remove it".into()),
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(format!("`{}` is not UTF-8", part.as_str())),
    }
}

fn describe(text: &str, index: usize) -> String {
    let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    if !has_scheme {
        return "it does not begin with a scheme; write for example unix:/run/calculator.sock".into();
    }
    match text.get(index..).and_then(|rest| rest.chars().next()) {
        Some(found) => format!(
            "`{}` must not stand at position {index}; write it as percent signs and hexadecimal digits",
            found.escape_debug()
        ),
        None => "it ends too early".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_decoded() {
        let url = Url::parse("exec:./a%20b?arg=x%26y&arg=%3D").unwrap();
        assert_eq!(url.path(), Path::new("./a b"));
        assert_eq!(url.query, [("arg".into(), "x&y".into()), ("arg".to_string(), "=".to_string())]);
    }

    #[test]
    fn abstract_names_and_empty_hosts_parse() {
        assert_eq!(Url::parse("unix:@calc").unwrap().path(), Path::new("@calc"));
        let url = Url::parse("UNIX:///run/x").unwrap();
        assert_eq!((url.scheme(), url.host(), url.path()), ("unix", None, Path::new("/run/x")));
    }

    #[test]
    fn every_refusal_names_the_text_and_the_remedy() {
        let cases = [
            ("calc", "write for example"),
            ("/run/calc", "write for example"),
            ("unix:/a b", "percent"),
            ("unix:/a#b", "%23"),
            ("unix:/a%00", "%00"),
            ("unix:/a?mode", "mode=value"),
            ("tcp://me@host:1", "user name"),
            ("tcp://host:99999", "65535"),
            ("unix:/é", "percent"),
            ("unix:/a%", "percent"),
            ("unix:/a?x=%ff", "UTF-8"),
        ];
        for (text, remedy) in cases {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error.code(), farcall_core::Code::InvalidConfig, "{text}");
            let said = error.to_string();
            assert!(said.contains(text) && said.contains(remedy), "{text}: {said}");
        }
    }

    #[test]
    fn a_host_where_none_belongs_is_refused() {
        let error = Url::parse("unix://run/x").unwrap().without_host().unwrap_err();
        assert!(error.to_string().contains("unix:run"), "{error}");
    }

    #[test]
    fn an_encoded_path_parses_to_itself() {
        let path = "/tmp/ü ?#%".as_bytes();
        let url = Url::parse(&format!("unix:{}", encode_path(path))).unwrap();
        assert_eq!(url.path.as_slice(), path);
    }
}
