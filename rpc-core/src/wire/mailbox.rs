//! What lies in a mailbox, and what comes back from whoever takes it out: letters and slips.

use super::cursor::{Cursor, Malformed, put_name};
use super::head::Kind;

pub mod ledger;

/// What a letter begins with. The last byte is the version.
const LETTER: [u8; 8] = *b"\xFARLETR\n\x01";

/// What a slip begins with. The last byte is the version.
const SLIP: [u8; 8] = *b"\xFARSLIP\n\x01";

/// Names a caller's socket, a taker, or a file with arguments: 128 random bits.
pub type Id = [u8; 16];

/// In place of a caller's socket: nobody waits for slips.
pub const NOBODY: Id = [0; 16];

/// Bytes of a slip without its payload.
pub const SLIP_SIZE: usize = 48;

/// One call, as a message of the queue. Its priority is the message's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Names the socket to which slips go; [`NOBODY`]: none are wanted.
    pub reply_to: Id,
    /// The call's number, in the caller's numbering.
    pub call: u64,
    /// When the caller stops waiting: nanoseconds of this machine since its start, sleep included (`CLOCK_BOOTTIME`).
    pub deadline: u64,
    /// The fingerprint of the method's shape; 0: not given.
    pub fingerprint: u64,
    /// The codec of arguments and result.
    pub codec: &'a str,
    /// The service's name.
    pub service: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// The encoded arguments.
    pub arguments: Arguments<'a>,
}

/// Where a letter's arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// In the letter.
    Here(&'a [u8]),
    /// In a file of this size in bytes, which whoever takes the letter removes.
    File(Id, u64),
}

impl Letter<'_> {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&LETTER);
        out.extend_from_slice(&self.reply_to);
        out.extend_from_slice(&self.call.to_le_bytes());
        out.extend_from_slice(&self.deadline.to_le_bytes());
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        for name in [self.codec, self.service, self.method] {
            put_name(&mut out, name);
        }
        match self.arguments {
            Arguments::Here(bytes) => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
            Arguments::File(id, size) => {
                out.push(1);
                out.extend_from_slice(&id);
                out.extend_from_slice(&size.to_le_bytes());
            }
        }
        out
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`Malformed`] says what is not of this version.
    pub fn decode(bytes: &[u8]) -> Result<Letter<'_>, Malformed> {
        let mut cursor = Cursor(bytes);
        if cursor.array()? != LETTER {
            return Err(Malformed("it does not begin as a letter does"));
        }
        Ok(Letter {
            reply_to: cursor.array()?,
            call: cursor.u64()?,
            deadline: cursor.u64()?,
            fingerprint: cursor.u64()?,
            codec: cursor.name()?,
            service: cursor.name()?,
            method: cursor.name()?,
            arguments: match cursor.u8()? {
                0 => Arguments::Here(cursor.0),
                1 => Arguments::File(cursor.array()?, cursor.u64()?),
                _ => return Err(Malformed("the arguments are in an unknown place")),
            },
        })
    }
}

/// What whoever took a letter tells the caller, as a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slip<'a> {
    /// Who took it.
    pub taker: Id,
    /// The call's number, in the caller's numbering.
    pub call: u64,
    /// What became of it.
    pub news: News<'a>,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// It was taken and is about to be served. The taker's pidfd comes with the first such slip to each caller, and
    /// behind it its [`ledger`], if it has one: then it says so there from now on.
    Taken,
    /// Its verdict.
    Verdict {
        /// `Reply`, `Error` or `Cancelled`, with the payload of the frame of that kind.
        kind: Kind,
        /// Of a reply: the payload is the service's own error.
        failed: bool,
        /// Where the payload is.
        result: Outcome<'a>,
    },
}

/// Where the payload of a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// In the slip.
    Here(&'a [u8]),
    /// In a sealed memfd that comes with the slip, of so many bytes.
    Memory(u64),
}

const TAKEN: u8 = 0;
const FAILED: u8 = 1;
const MEMORY: u8 = 2;

impl Slip<'_> {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, flags, size, payload) = match self.news {
            News::Taken => (TAKEN, 0, 0, &[][..]),
            News::Verdict { kind, failed, result } => {
                let failed = if failed { FAILED } else { 0 };
                match result {
                    Outcome::Here(bytes) => (kind.to_byte(), failed, 0, bytes),
                    Outcome::Memory(size) => (kind.to_byte(), failed | MEMORY, size, &[][..]),
                }
            }
        };
        let mut out = Vec::with_capacity(SLIP_SIZE.saturating_add(payload.len()));
        out.extend_from_slice(&SLIP);
        out.extend_from_slice(&self.taker);
        out.extend_from_slice(&self.call.to_le_bytes());
        out.extend_from_slice(&[kind, flags, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(payload);
        out
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`Malformed`] says what is not of this version.
    pub fn decode(bytes: &[u8]) -> Result<Slip<'_>, Malformed> {
        let mut cursor = Cursor(bytes);
        if cursor.array()? != SLIP {
            return Err(Malformed("it does not begin as a slip does"));
        }
        let (taker, call) = (cursor.array()?, cursor.u64()?);
        let [kind, flags, ..] = cursor.array::<8>()?;
        let size = cursor.u64()?;
        let result = if flags & MEMORY != 0 { Outcome::Memory(size) } else { Outcome::Here(cursor.0) };
        let news = match (kind, Kind::from_byte(kind)) {
            (TAKEN, _) => News::Taken,
            (_, kind @ (Kind::Reply | Kind::Error | Kind::Cancelled)) => {
                News::Verdict { kind, failed: flags & FAILED != 0, result }
            }
            _ => return Err(Malformed("a slip brings no verdict")),
        };
        Ok(Slip { taker, call, news })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(arguments: Arguments<'_>) -> Letter<'_> {
        let (codec, service, method) = ("bincode", "Store", "put");
        Letter { reply_to: [7; 16], call: 9, deadline: 1, fingerprint: 2, codec, service, method, arguments }
    }

    #[test]
    fn letters_survive_the_queue_and_every_truncation_is_an_error() {
        for arguments in [Arguments::Here(b""), Arguments::File([3; 16], 1 << 20)] {
            let bytes = letter(arguments).encode();
            assert_eq!(Letter::decode(&bytes), Ok(letter(arguments)));
            for cut in 0..bytes.len() {
                assert!(Letter::decode(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn slips_survive_the_way_back_and_every_truncation_of_their_head_is_an_error() {
        let verdict = |kind, failed, result| News::Verdict { kind, failed, result };
        for news in [
            News::Taken,
            verdict(Kind::Reply, true, Outcome::Here(b"uneven")),
            verdict(Kind::Error, false, Outcome::Memory(70_000)),
        ] {
            let slip = Slip { taker: [1; 16], call: 1 << 40, news };
            let bytes = slip.encode();
            assert_eq!(Slip::decode(&bytes), Ok(slip));
            for cut in 0..SLIP_SIZE {
                assert!(Slip::decode(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
        let mut bytes = Slip { taker: [1; 16], call: 1, news: News::Taken }.encode();
        bytes[32] = Kind::Ping.to_byte();
        assert!(Slip::decode(&bytes).is_err(), "a ping is no verdict");
    }
}
