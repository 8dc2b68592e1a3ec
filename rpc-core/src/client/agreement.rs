//! Whether both sides mean the same by a service.

use crate::client::ClientCore;
use crate::driver::Driver;
use crate::error::{Code, Error, Fate};
use crate::wire::{Answer, Opened, ShapeThere};

/// Methods that a sentence names.
const NAMED: usize = 3;

impl ClientCore {
    /// The connection's driver.
    pub fn driver(&self) -> &std::sync::Arc<Driver> {
        &self.connection.handle().driver
    }

    /// The service's number on the connection.
    pub fn object(&self) -> u32 {
        self.object
    }

    /// Whether the peer serves each method as it is known here.
    ///
    /// # Errors
    /// `UnknownService`, `UnknownMethod` or `SchemaMismatch`; nothing was called.
    pub fn check(&self, opened: &Opened) -> Result<(), Error> {
        if !opened.known {
            return Err(Error::new(Code::UnknownService, Fate::NotSent, opened.text.clone()));
        }
        let service = self.descriptor.name();
        let mut code = Code::SchemaMismatch;
        let mut wrong = Vec::new();
        for (at, (method, answer)) in self.descriptor.methods().iter().zip(&opened.answers).enumerate() {
            let what = match answer {
                Answer::Served => continue,
                Answer::Unknown => {
                    code = Code::UnknownMethod;
                    "the peer has no such method".to_owned()
                }
                Answer::Differs => self.shapes.difference(at, opened.shape(at).unwrap_or_default()),
            };
            wrong.push(format!("{service}.{}: {what}", method.name()));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let more = wrong.len().saturating_sub(NAMED);
        wrong.truncate(NAMED);
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(Error::new(code, Fate::NotSent, format!("{}{rest}", wrong.join("; "))))
    }

    /// A refusal for a method's shape, in words that show both sides.
    pub(super) fn both_sides(&self, method: u16, error: Error) -> Error {
        if error.code() != Code::SchemaMismatch || !error.fate().is_safe_to_retry() {
            return error;
        }
        // What was refused brings the shape along; what was not sent is known by what the opening was answered.
        let there = ShapeThere::of(&error).map(str::to_owned);
        match there.or_else(|| self.driver().session().shape_there(self.object, method)) {
            Some(there) => {
                let text = self.shapes.difference(usize::from(method), &there);
                Error::new(Code::SchemaMismatch, error.fate(), text)
            }
            None => error,
        }
    }
}
