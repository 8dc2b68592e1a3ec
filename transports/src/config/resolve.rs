//! From a name to its URLs: the variable of its own, then the file.

use std::path::Path;

use farcall_core::{Code, Error, Fate};

use super::document::{Document, Service, parse, variable};
use super::find::Surroundings;
use super::{Named, is_name};
use crate::nearest::nearest;

/// Names whose variables mean something else.
const RESERVED: [&str; 3] = ["FARCALL_CONFIG", "FARCALL_PARENT", "FARCALL_TEST_DISABLE"];

/// What environment and file say of `name`, read now.
///
/// # Errors
/// `InvalidConfig`, with file and line or variable: nobody knows the name, or what is said of it is wrong;
/// `PermissionDenied` for a file that others may have written.
pub(crate) fn resolve(name: &str) -> Result<Named, Error> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid != rustix::process::getuid() || gid != rustix::process::getgid() {
        let text = format!(
            "`{name}` is not looked up in a program that has other rights than whoever started it; write a URL"
        );
        return Err(Error::new(Code::PermissionDenied, Fate::NotSent, text));
    }
    resolve_in(name, &Surroundings { variable: &|name| std::env::var_os(name), directory: Path::new("") })
}

fn resolve_in(name: &str, surroundings: &Surroundings<'_>) -> Result<Named, Error> {
    let variable = variable(name);
    if RESERVED.contains(&&*variable) {
        return Err(Error::config(format!(
            "`{name}` cannot be a name, since {variable} has a meaning; rename it"
        )));
    }
    let document = match surroundings.find()? {
        Some(found) => parse(&found.path.display().to_string(), &found.text)?,
        None => Document::default(),
    };
    let Document { defaults, services } = document;
    let known: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
    let service = services.into_iter().find(|service| self::variable(&service.name) == variable);
    if let Some(text) = (surroundings.variable)(&variable) {
        let text = text.into_string().map_err(|_| Error::config(format!("{variable} is not UTF-8")))?;
        let urls: Vec<_> =
            text.split_ascii_whitespace().map(|url| (url.to_owned(), variable.clone())).collect();
        if urls.is_empty() {
            let remedy = "is empty; write a URL, or several with spaces between them, or unset it";
            return Err(Error::config(format!("{variable} {remedy}")));
        }
        let own = service.map(|service| service.options).unwrap_or_default();
        return named(name, &urls, own, defaults);
    }
    match service {
        Some(Service { urls, place, .. }) if urls.is_empty() => {
            Err(Error::config(format!("{place}: `{name}` has no `url`; write one below, or set {variable}")))
        }
        Some(Service { urls, options, .. }) => named(name, &urls, options, defaults),
        None => Err(stranger(name, &known, &surroundings.places())),
    }
}

fn named(
    name: &str,
    urls: &[(String, String)],
    own: Vec<super::Entry>,
    defaults: Vec<super::Entry>,
) -> Result<Named, Error> {
    for (url, place) in urls {
        if is_name(url) {
            let what =
                if variable(url) == variable(name) { "leads to itself" } else { "leads to another name" };
            return Err(Error::config(format!(
                "{place}: `{name}` {what}; write a URL, for example unix:/run/{url}.sock"
            )));
        }
    }
    let place = urls.first().map_or(String::new(), |(_, place)| format!("`{name}` ({place})"));
    Ok(Named { urls: urls.iter().map(|(url, _)| url.clone()).collect(), place, own, defaults })
}

fn stranger(name: &str, known: &[String], places: &str) -> Error {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!(" (did you mean `{near}`?)"),
        None => String::new(),
    };
    Error::config(format!(
        "nothing says where `{name}` is{hint}; write a URL such as unix:/run/{name}.sock, set {}, or write \
         [service.{name}] into {places}",
        variable(name)
    ))
}

#[cfg(test)]
mod tests;
