//! The text of `farcall.toml`, taken apart once: tables, keys, and the line of each.

use std::ops::Range;

use farcall_core::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::resolve::variable;
use super::{Entry, OPTIONS, is_name};
use crate::nearest::instead;

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
            "defaults" => document.defaults = page.options(page.table(key, value)?)?.1,
            "service" => document.services = page.services(page.table(key, value)?)?,
            other => return Err(page.unknown(key, other, &["defaults", "service"])),
        }
    }
    Ok(document)
}

/// The text and its name, for errors that point into it.
struct Page<'a> {
    path: &'a str,
    text: &'a str,
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
            let (urls, options) = self.options(self.table(key, value)?)?;
            services.push(Service { name: name.to_owned(), place, urls, options });
        }
        Ok(services)
    }

    /// The keys of a table of options, and the URLs of one that may have them.
    fn options(&self, table: &DeTable<'_>) -> Result<(Urls, Vec<Entry>), Error> {
        let (mut urls, mut options) = (Vec::new(), Vec::new());
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if name == "url" {
                urls = self.urls(value)?;
                continue;
            }
            if !OPTIONS.contains(&name) {
                let known: Vec<_> = OPTIONS.into_iter().chain(["url"]).collect();
                return Err(self.unknown(key, name, &known));
            }
            let place = self.place(&key.span());
            options.push(Entry { key: name.to_owned(), value: self.scalar(name, value)?, place });
        }
        Ok((urls, options))
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
