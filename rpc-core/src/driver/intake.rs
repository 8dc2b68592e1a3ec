//! One frame's way from the link to the session; a long one is copied once, to where it is gathered.

use crate::buffers;
use crate::driver::Driver;
use crate::limits::MAX_HEAD;
use crate::proto::Violation;
use crate::session::Chores;
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
    /// Takes the next frame in.
    pub(super) fn take_in(
        &self,
        link: &mut dyn Link,
        now: Time,
        chores: &mut Chores,
    ) -> Result<Intake, LinkFault> {
        let (frame, rest) = match link.receive_first()? {
            (Received::Frame(frame), rest) => (frame, rest),
            (Received::WouldBlock, _) => return Ok(Intake::Nothing),
            (Received::Closed, _) => return Ok(Intake::Closed),
        };
        self.session.put_back(chores);
        let size = frame.len().saturating_add(rest);
        if rest == 0 {
            return Ok(Intake::Frame(size, self.session.receive(frame, now, chores)));
        }
        let lent = frame.first_chunk::<MAX_HEAD>().filter(|_| frame.len() == MAX_HEAD).copied();
        let lent = lent.and_then(|first| Some((first, self.session.lend(&first, rest)?)));
        let taken = match lent {
            Some((first, mut buf)) => {
                link.receive_rest(&mut buf)?;
                self.session.receive_long(&first, rest, buf, now, chores)
            }
            None => {
                let mut whole = buffers::take(size);
                whole.extend_from_slice(frame);
                link.receive_rest(&mut whole)?;
                let taken = self.session.receive(&whole, now, chores);
                buffers::give(whole);
                taken
            }
        };
        Ok(Intake::Frame(size, taken))
    }
}
