//! Taking letters out of the mailbox and making calls of them.

use std::borrow::Cow;
use std::time::Duration;

use farcall_core::limits::MAX_OBJECTS;
use farcall_core::transport::LinkFault;
use farcall_core::wire::mailbox::{Arguments, Letter};
use farcall_core::wire::{Head, Kind, Open, Options, encode_error};
use farcall_core::{Code, Error, Fate};
use rustix::io::Errno;

use super::answers::REFUSAL;
use super::{Taken, TakerLink};
use crate::mailbox::bell::since_boot;
use crate::wait::now;

/// Letters that are looked at in a row without one being a call for this server.
const JUNK: usize = 64;

/// What looking into the queue has brought lately. Where letters come one by one no look follows each at once: it would be a
/// system call between a call and its verdict.
#[derive(Clone, Copy, Default)]
pub(super) struct Looks {
    /// The last one brought a letter.
    is_behind: bool,
    /// Nothing was behind the letter before.
    comes_alone: bool,
    /// One was left out, and none has been made since.
    has_skipped: bool,
}

impl TakerLink {
    /// Takes a letter, unless there has just been one and they come one by one.
    pub(super) fn look(&mut self) -> Result<(), LinkFault> {
        if !self.is_free() {
            return Ok(());
        }
        let is_behind = std::mem::take(&mut self.looks.is_behind);
        if is_behind && self.looks.comes_alone {
            // The next turn looks, and whoever goes to sleep asks the kernel first.
            self.looks.has_skipped = true;
            return Ok(());
        }
        self.take()?;
        let has_come = !self.inbox.is_empty();
        if is_behind {
            self.looks.comes_alone = !has_come;
        } else if has_come && self.looks.has_skipped {
            self.looks.comes_alone = false;
        }
        self.looks = Looks { is_behind: has_come, has_skipped: false, ..self.looks };
        Ok(())
    }

    /// Takes letters until one is a call for this server, there are none, or many were not.
    fn take(&mut self) -> Result<(), LinkFault> {
        for _ in 0..JUNK {
            if !self.is_free() || !self.inbox.is_empty() {
                break;
            }
            let mut buf = std::mem::take(&mut self.buf);
            let taken = self.queue.receive(&mut buf);
            // What is no letter has no caller who could be told.
            let letter = match &taken {
                Ok((size, _)) => buf.get(..*size).and_then(|bytes| Letter::decode(bytes).ok()),
                _ => None,
            };
            if let Some(letter) = letter
                && let Err(error) = self.accept(&letter)
            {
                let (reply_to, call, until) = (letter.reply_to, letter.call, now() + REFUSAL);
                let refused = Taken { reply_to, call, until, line: None };
                self.answer(refused, Kind::Error, false, &encode_error(&error));
            }
            self.buf = buf;
            match taken {
                Ok(_) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(std::io::Error::from(errno).into()),
            }
        }
        Ok(())
    }

    /// Makes a call of a letter, and tells its caller who has taken it.
    fn accept(&mut self, letter: &Letter<'_>) -> Result<(), Error> {
        let refuse =
            |code, why: String| Err(Error::new(code, Fate::NotExecuted, format!("{}: {why}", self.url)));
        let arguments = match letter.arguments {
            Arguments::Here(_) => None,
            Arguments::File(id, size) if size <= self.max_message as u64 => {
                Some(self.drawer.take(letter.deadline, id, size))
            }
            Arguments::File(id, size) => {
                let _ = self.drawer.take(letter.deadline, id, size);
                let most = self.max_message;
                return refuse(
                    Code::TooLarge,
                    format!("{size} bytes of arguments, the limit is {most}; raise ?max_message="),
                );
            }
        };
        let left = Duration::from_nanos(letter.deadline.saturating_sub(since_boot()));
        if left.is_zero() {
            return refuse(Code::DeadlineExceeded, "the deadline passed in the mailbox".to_owned());
        }
        if letter.codec != self.codec {
            let (theirs, ours) = (letter.codec, &self.codec);
            return refuse(
                Code::Unsupported,
                format!("the call is in {theirs}, this server reads {ours}; use ?codec="),
            );
        }
        let arguments = match (arguments, letter.arguments) {
            (Some(Ok(bytes)), _) => Cow::Owned(bytes),
            (Some(Err(error)), _) => {
                return refuse(
                    Code::BadRequest,
                    format!("the file with the arguments cannot be read: {error}"),
                );
            }
            (None, Arguments::Here(bytes)) => Cow::Borrowed(bytes),
            (None, Arguments::File(..)) => Cow::default(),
        };
        let object = self.object(letter)?;
        let until = now() + left;
        self.last_call += 1;
        let mut taken = Taken { reply_to: letter.reply_to, call: letter.call, until, line: None };
        self.say_taken(&mut taken);
        self.calls.insert(self.last_call, taken);
        let head = Head { object, ..Head::new(Kind::Call, self.last_call) };
        self.tell(head, Options { deadline: Some(left), ..Options::default() }, &arguments);
        Ok(())
    }

    /// The number under which the method is open, which is opened now if need be.
    fn object(&mut self, letter: &Letter<'_>) -> Result<u32, Error> {
        let wanted = (letter.service, letter.method, letter.fingerprint);
        if let Some(((service, method, fingerprint), object)) = &self.latest
            && (service.as_str(), method.as_str(), *fingerprint) == wanted
        {
            return Ok(*object);
        }
        let key = (letter.service.to_owned(), letter.method.to_owned(), letter.fingerprint);
        if let Some(object) = self.opened.get(&key) {
            self.latest = Some((key, *object));
            return Ok(*object);
        }
        if self.opened.len() >= MAX_OBJECTS {
            let text =
                format!("{}: {MAX_OBJECTS} methods were asked for by now; start the server anew", self.url);
            return Err(Error::new(Code::ResourceExhausted, Fate::NotExecuted, text));
        }
        let object = u32::try_from(self.opened.len() + 1).expect("bounded by MAX_OBJECTS");
        self.opened.insert(key, object);
        let methods = [(letter.method, letter.fingerprint)];
        let payload = Open::encode(letter.service, methods.into_iter());
        self.tell(Head { object, ..Head::new(Kind::Open, 0) }, Options::default(), &payload);
        Ok(object)
    }
}
