//! One frame's way from the link to the session; a long one is copied once, to where it is gathered.

use crate::buffers;
use crate::driver::Driver;
use crate::limits::MAX_HEAD;
use crate::proto::Violation;
use crate::session::{Chores, Hold};
use crate::time::Time;
use crate::transport::{Link, LinkFault, Received};

/// What a look at the link has brought.
pub(super) enum Intake {
    /// A frame of so many bytes; whether something is to be sent because of it, or which rule it breaks.
    Frame(usize, Result<bool, Violation>),
    Nothing,
    Closed,
}

impl Driver {
    /// Takes the next frame in; if others are there already, the session is held for them.
    #[inline(always)]
    pub(super) fn take_in<'a>(
        &'a self,
        link: &mut dyn Link,
        now: Time,
        chores: &mut Chores,
        hold: &mut Option<Hold<'a>>,
    ) -> Result<Intake, LinkFault> {
        let (frame, rest) = match link.receive_first()? {
            (Received::Frame(frame), rest) => (frame, rest),
            (Received::WouldBlock, _) => return Ok(Intake::Nothing),
            (Received::Closed, _) => return Ok(Intake::Closed),
        };
        if rest > 0 {
            *hold = None;
            let mut first = buffers::take(frame.len());
            first.extend_from_slice(frame);
            return self.take_long(link, first, rest, now, chores);
        }
        let size = frame.len();
        let taken = hold.get_or_insert_with(|| self.session.hold()).receive(frame, now, chores);
        // The session may be held only while what comes next comes without a system call.
        if taken.is_err() || link.is_quiet() != Some(false) {
            *hold = None;
        }
        Ok(Intake::Frame(size, taken))
    }

    /// Takes in a frame that begins with `first`, the rest of which is still in the link.
    #[cold]
    fn take_long(
        &self,
        link: &mut dyn Link,
        mut first: Vec<u8>,
        rest: usize,
        now: Time,
        chores: &mut Chores,
    ) -> Result<Intake, LinkFault> {
        let size = first.len().saturating_add(rest);
        let lent = if first.len() == MAX_HEAD { self.session.lend(&first, rest) } else { None };
        let taken = match lent {
            Some(mut buf) => {
                link.receive_rest(&mut buf)?;
                self.session.receive_long(&first, rest, buf, now, chores)
            }
            None => {
                link.receive_rest(&mut first)?;
                self.session.receive(&first, now, chores)
            }
        };
        buffers::give(first);
        Ok(Intake::Frame(size, taken))
    }
}
