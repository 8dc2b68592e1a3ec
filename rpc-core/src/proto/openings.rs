//! The services that this side opens at the peer, and the answers to those that the peer opens.

use crate::error::{Code, Error, Fate};
use crate::limits::{MAX_FRAGMENT, MAX_OBJECTS};
use crate::proto::{Event, Machine};
use crate::time::Time;
use crate::wire::{Head, Kind, Open, Opened};

/// A service that this side has opened at the peer.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) opened: Option<Opened>,
}

impl Machine {
    /// Opens a service at the peer; its number. Calls of it may follow at once.
    ///
    /// # Errors
    /// `ResourceExhausted` if too many are open, `TooLarge` if its table does not fit in a frame; `NotSent`.
    pub fn open<'a>(
        &mut self,
        service: &str,
        methods: impl ExactSizeIterator<Item = (&'a str, u64)>,
    ) -> Result<u32, Error> {
        if self.openings.len() >= MAX_OBJECTS {
            let text = format!("{MAX_OBJECTS} services are open on this connection");
            return Err(Error::new(Code::ResourceExhausted, Fate::NotSent, text));
        }
        let payload = Open::encode(service, methods);
        if payload.len() > MAX_FRAGMENT {
            let text = format!(
                "the method table of {service} takes {} bytes, the limit is {MAX_FRAGMENT}",
                payload.len()
            );
            return Err(Error::new(Code::TooLarge, Fate::NotSent, text));
        }
        self.openings.push(Opening::default());
        let object = u32::try_from(self.openings.len()).expect("bounded by MAX_OBJECTS");
        self.outbox.push_control(Head { object, ..Head::new(Kind::Open, 0) }, payload);
        Ok(object)
    }

    /// What the peer has said of the service of this number, if it has.
    pub fn opened(&self, object: u32) -> Option<&Opened> {
        self.openings.get(object.checked_sub(1)? as usize)?.opened.as_ref()
    }

    /// The connection ends if the peer has not answered every opening by then.
    pub fn expect_answers(&mut self, until: Time) {
        self.answers_by = Some(until);
        self.hasten(until);
        self.note_answer();
    }

    pub(super) fn note_answer(&mut self) {
        if self.openings.iter().all(|opening| opening.opened.is_some()) {
            self.answers_by = None;
        }
    }

    /// Ends the connection if answers are overdue.
    pub(super) fn miss_answers(&mut self, now: Time) {
        if self.answers_by.take_if(|until| *until <= now).is_some() {
            let text = "the peer has not said whether it serves what was opened";
            self.events.push_back(Event::Closed(Error::new(Code::Unavailable, Fate::NotSent, text)));
        }
    }

    /// Answers an [`Event::Open`](crate::proto::Event::Open).
    pub fn answer_open(&mut self, object: u32, opened: &Opened) {
        self.outbox.push_control(Head { object, ..Head::new(Kind::Opened, 0) }, opened.encode());
    }
}
