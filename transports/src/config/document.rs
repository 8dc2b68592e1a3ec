//! The text of `farcall.toml`, taken apart once: tables, keys, and the line of each.

use std::ops::Range;

use farcall_core::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, OF_URLS, OPTIONS, is_name};
use crate::nearest::{instead, nearest};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// For every name.
    pub(super) defaults: Vec<Entry>,
    pub(super) services: Vec<Service>,
}

/// What it says of one name.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    /// Where its table begins.
    pub(super) place: String,
    pub(super) urls: Urls,
    pub(super) options: Vec<Entry>,
}

/// The variable that overrides the URLs of `name`.
pub(super) fn variable(name: &str) -> String {
    format!("FARCALL_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Takes the text of the file at `path` apart.
///
/// # Errors
/// `InvalidConfig` that names file and line.
pub(super) fn parse(path: &str, text: &str) -> Result<Document, Error> {
    let page = Page { path, text };
    let root = DeTable::parse(text).map_err(|error| page.syntax(&error))?;
    let mut document = Document::default();
    for (key, value) in root.get_ref() {
        match key.get_ref().as_ref() {
            "defaults" => document.defaults = page.options(page.table(key, value)?, Of::Everybody)?.1,
            "service" => document.services = page.services(page.table(key, value)?)?,
            _ => return Err(page.outside(key, value)),
        }
    }
    Ok(document)
}

/// The text and its name, for errors that point into it.
struct Page<'a> {
    path: &'a str,
    text: &'a str,
}

/// Whose options a table has.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Everybody,
    Name,
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
/// URLs, with the place of each.
type Urls = Vec<(String, String)>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Page<'_> {
    fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("{}:{line}", self.path)
    }

    fn refuse(&self, span: &Range<usize>, why: impl std::fmt::Display) -> Error {
        Error::config(format!("{}: {why}", self.place(span)))
    }

    /// What is no TOML.
    fn syntax(&self, error: &toml::de::Error) -> Error {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().lines().next().unwrap_or_default();
        if message != "duplicate key" {
            return self.refuse(&span, format_args!("this is not TOML: {message}"));
        }
        let key = self.text.get(span.clone()).unwrap_or_default().trim();
        let remedy = match key {
            "url" => "keep one, or write a list: url = [\"…\", \"…\"]",
            _ => "keep one",
        };
        self.refuse(&span, format_args!("`{key}` stands here for the second time; {remedy}"))
    }

    fn unknown(&self, key: &Key<'_>, name: &str, known: &[&str]) -> Error {
        let hint = instead(name, known.iter().copied());
        self.refuse(&key.span(), format_args!("unknown key `{name}`; {hint}"))
    }

    /// What stands beside the two tables of a file.
    fn outside(&self, key: &Key<'_>, value: &Value<'_>) -> Error {
        let (name, tables) = (key.get_ref().as_ref(), ["defaults", "service"]);
        let remedy = match value.get_ref() {
            _ if nearest(name, tables).is_some() => return self.unknown(key, name, &tables),
            DeValue::Table(_) if is_name(name) => format!("write [service.{name}]"),
            _ => match place_of(name) {
                Some(place) => format!("write it below {place}"),
                None => return self.unknown(key, name, &tables),
            },
        };
        self.refuse(&key.span(), format_args!("`{name}` means nothing here; {remedy}"))
    }

    fn table<'v, 'i>(&self, key: &Key<'i>, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, Error> {
        value.get_ref().as_table().ok_or_else(|| {
            let why = format!("`{}` is a table; write its keys below a line in brackets", key.get_ref());
            self.refuse(&value.span(), why)
        })
    }

    fn services(&self, table: &DeTable<'_>) -> Result<Vec<Service>, Error> {
        let mut services: Vec<Service> = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !is_name(name) {
                let why = "cannot be a name; begin with a letter and go on with letters, digits, `-` and `_`";
                return Err(self.refuse(&key.span(), format_args!("`{name}` {why}")));
            }
            let place = self.place(&key.span());
            if let Some(other) = services.iter().find(|other| variable(&other.name) == variable(name)) {
                let variable = variable(name);
                let why = format!(
                    "`{name}` and `{}` ({}) are one name to {variable}; rename one or leave it out",
                    other.name, other.place
                );
                return Err(self.refuse(&key.span(), why));
            }
            if let (Some(place), None) = (place_of(name), value.get_ref().as_table()) {
                let why = format!("`{name}` stands above every name; write it below {place}");
                return Err(self.refuse(&key.span(), why));
            }
            let (urls, options) = self.options(self.table(key, value)?, Of::Name)?;
            services.push(Service { name: name.to_owned(), place, urls, options });
        }
        Ok(services)
    }

    /// The keys of a table of options, and the URLs of one that may have them.
    fn options(&self, table: &DeTable<'_>, of: Of) -> Result<(Urls, Vec<Entry>), Error> {
        let (mut urls, mut options) = (Vec::new(), Vec::new());
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if OPTIONS.contains(&name) {
                let place = self.place(&key.span());
                options.push(Entry { key: name.to_owned(), value: self.scalar(name, value)?, place });
            } else if name == "url" && of == Of::Name {
                urls = self.urls(value)?;
            } else {
                return Err(self.misplaced(key, name, of));
            }
        }
        Ok((urls, options))
    }

    /// A key that is none of a table of options.
    fn misplaced(&self, key: &Key<'_>, name: &str, of: Of) -> Error {
        if name == "url" {
            // A URL for every name would serve misspelt ones as well, and all of them at one place.
            return self.refuse(&key.span(), "`url` is for one name; write it below [service.NAME]");
        }
        if OF_URLS.contains(&name) {
            let why = format!("`{name}` is an option of URLs; write it there: url = \"…?{name}=…\"");
            return self.refuse(&key.span(), why);
        }
        let known: Vec<_> = OPTIONS.into_iter().chain((of == Of::Name).then_some("url")).collect();
        self.unknown(key, name, &known)
    }

    /// A value in the words of a URL's option, which knows units and ranges.
    fn scalar(&self, key: &str, value: &Value<'_>) -> Result<String, Error> {
        let why = match value.get_ref() {
            DeValue::String(text) => return Ok(text.clone().into_owned()),
            DeValue::Integer(number) if key == "window" && number.radix() == 10 => {
                return Ok(number.as_str().replace('_', ""));
            }
            DeValue::Integer(_) | DeValue::Float(_) => match key {
                "deadline" => "needs a unit and quotation marks; write for example \"250ms\"",
                "max_message" | "decode_budget" => {
                    "needs a unit and quotation marks; write for example \"16MiB\""
                }
                "window" => "is a whole number; write for example 256",
                _ => "is a word in quotation marks",
            },
            _ => "is one value, in quotation marks",
        };
        Err(self.refuse(&value.span(), format_args!("`{key}` {why}")))
    }

    fn urls(&self, value: &Value<'_>) -> Result<Urls, Error> {
        let one = |value: &Value<'_>| match value.get_ref() {
            DeValue::String(text) => Ok((text.clone().into_owned(), self.place(&value.span()))),
            _ => Err(self.refuse(&value.span(), "`url` is a URL in quotation marks, or a list of them")),
        };
        match value.get_ref() {
            DeValue::Array(list) if list.is_empty() => {
                Err(self.refuse(&value.span(), "`url` is an empty list; name at least one"))
            }
            DeValue::Array(list) => list.iter().map(one).collect(),
            _ => Ok(vec![one(value)?]),
        }
    }
}

/// Below which tables a key belongs, in words; `None`: it is not known at all.
fn place_of(key: &str) -> Option<&'static str> {
    match key {
        "url" => Some("[service.NAME]"),
        _ if OPTIONS.contains(&key) => Some("[defaults] or [service.NAME]"),
        _ => None,
    }
}
