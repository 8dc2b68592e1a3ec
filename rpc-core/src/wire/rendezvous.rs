//! What two sides say to each other on a socket before they share memory: one request, one grant.

use super::cursor::{Cursor, Malformed};
use super::verdict::{code_from_number, code_number};
use crate::error::Code;
use crate::limits::MAX_REASON;

/// What a request and a grant begin with: no text, no other protocol and no [preface](crate::transport::Framed) begins so.
/// The last byte is the version.
pub const MEETING: [u8; 8] = *b"\xFARMEET\n\x01";

/// Bytes of a request.
pub const REQUEST_SIZE: usize = 32;

/// Bytes of a grant without its text.
pub const GRANT_SIZE: usize = 56;

/// What is believed of the process at the other end, from the least to the most careful.
///
/// At every level a peer can neither corrupt this process nor make it panic or use memory without bound, and one that is
/// silent, slow, faulty or dead does not make it hang. What the level changes is by what the two wake each other, and what
/// a dead peer's memory proves. Below [`Hostile`](Trust::Hostile) they share eventfds: a peer that means harm can fill one,
/// make it block, and so stop the thread that rings it.
///
/// ```
/// use farcall_core::Trust;
/// assert_eq!(Trust::Trusted.max(Trust::Hostile), Trust::Hostile, "of two sides the more careful counts");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Part of the same program, such as a child that it has started.
    Trusted,
    /// A process of the same user, which may be faulty or die at any moment.
    #[default]
    SameUser,
    /// It may be in the hands of somebody else.
    Hostile,
}

/// What the connecting side asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Rings in shared memory.
    Memory,
    /// The same, or else the socket itself as a stream.
    MemoryOrStream,
    /// The socket itself as a stream.
    Stream,
    /// A pair of message queues.
    Queues,
}

/// What memory that two processes share is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryKind {
    /// A sealed memfd, which nobody can cut short.
    #[default]
    Memfd,
    /// An object of POSIX shared memory.
    Posix,
    /// A segment of System V shared memory.
    SystemV,
    /// A mapped file.
    File,
}

/// The connecting side's only words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub wish: Wish,
    /// What it believes of the other side.
    pub trust: Trust,
    /// What memory it insists on.
    pub memory: Option<MemoryKind>,
    /// The deepest queue that it takes, in messages; 0: any.
    pub max_depth: u8,
    /// The largest ring that it takes, in bytes of one direction; of queues, the longest message.
    pub max_ring: u32,
    /// Repeated by the grant.
    pub nonce: [u8; 16],
}

/// The listening side's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What it comes to.
    pub answer: Answer,
    /// The more careful of both sides' beliefs: it counts for both.
    pub trust: Trust,
    /// That of the request.
    pub nonce: [u8; 16],
    /// Why it is a stream, or nothing; a sentence, cut to 448 bytes.
    pub reason: String,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Memory, which is a descriptor unless it is a segment; and unless trust is hostile two eventfds: the listening side's
    /// bell, then the connecting side's.
    Memory {
        /// What it is made of.
        kind: MemoryKind,
        /// The segment's number; 0 of other memory.
        segment: u32,
        /// Bytes of the ring of one direction.
        ring: u32,
        /// The keys of the direction towards the connecting side, and of the other.
        keys: [u64; 2],
    },
    /// From here on the socket carries a stream.
    Stream,
    /// Two message queues: the one that the listening side sends to, then the other.
    Queues {
        /// Bytes of the longest message.
        message: u32,
        /// Messages that each holds.
        depth: u8,
        /// The keys of the direction towards the connecting side, and of the other.
        keys: [u64; 2],
    },
    /// Nothing; the reason says why.
    Refused(Code),
}

impl Request {
    /// The bytes.
    pub fn encode(&self) -> [u8; REQUEST_SIZE] {
        let wish = match self.wish {
            Wish::Memory => 1,
            Wish::MemoryOrStream => 2,
            Wish::Stream => 3,
            Wish::Queues => 4,
        };
        let mut out = Vec::with_capacity(REQUEST_SIZE);
        out.extend_from_slice(&MEETING);
        let memory = self.memory.map_or(0, kind_number);
        out.extend_from_slice(&[wish, self.trust as u8, memory, self.max_depth]);
        out.extend_from_slice(&self.max_ring.to_le_bytes());
        out.extend_from_slice(&self.nonce);
        out.try_into().expect("a request has 32 bytes")
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`Malformed`] says which field is not one of this version.
    pub fn decode(bytes: &[u8; REQUEST_SIZE]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(bytes);
        begin(&mut cursor)?;
        let wish = match cursor.u8()? {
            1 => Wish::Memory,
            2 => Wish::MemoryOrStream,
            3 => Wish::Stream,
            4 => Wish::Queues,
            _ => return Err(Malformed("it asks for a wire that is not known here")),
        };
        let trust = trust(cursor.u8()?)?;
        let memory = match cursor.u8()? {
            0 => None,
            number => Some(kind(number).ok_or(Malformed("it asks for memory that is not known here"))?),
        };
        let max_depth = cursor.u8()?;
        let max_ring = cursor.u32()?;
        Ok(Request { wish, trust, memory, max_depth, max_ring, nonce: nonce(&mut cursor)? })
    }
}

impl Grant {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (answer, memory, depth) = match self.answer {
            Answer::Memory { kind, .. } => (0x81, kind_number(kind), 0),
            Answer::Stream => (0x82, 0, 0),
            Answer::Refused(_) => (0x83, 0, 0),
            Answer::Queues { depth, .. } => (0x84, 0, depth),
        };
        let (size, keys, segment) = match self.answer {
            Answer::Memory { ring, keys, segment, .. } => (ring, keys, segment),
            Answer::Queues { message, keys, .. } => (message, keys, 0),
            _ => (0, [0; 2], 0),
        };
        let code = if let Answer::Refused(code) = self.answer { code_number(code) } else { 0 };
        let reason = &self.reason[..self.reason.floor_char_boundary(MAX_REASON)];
        let mut out = Vec::with_capacity(GRANT_SIZE.saturating_add(reason.len()));
        out.extend_from_slice(&MEETING);
        out.extend_from_slice(&[answer, self.trust as u8, memory, depth]);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&self.nonce);
        for key in keys {
            out.extend_from_slice(&key.to_le_bytes());
        }
        out.extend_from_slice(&code.to_le_bytes());
        out.extend_from_slice(&u16::try_from(reason.len()).expect("cut to 448 bytes").to_le_bytes());
        out.extend_from_slice(&segment.to_le_bytes());
        out.extend_from_slice(reason.as_bytes());
        out
    }

    /// Reads a grant but for its text, and how many bytes of text follow.
    ///
    /// # Errors
    /// [`Malformed`] says which field is not one of this version.
    pub fn decode(bytes: &[u8; GRANT_SIZE]) -> Result<(Self, usize), Malformed> {
        let mut cursor = Cursor(bytes);
        begin(&mut cursor)?;
        let answer = cursor.u8()?;
        let trust = trust(cursor.u8()?)?;
        let memory = cursor.u8()?;
        let depth = cursor.u8()?;
        let bytes = cursor.u32()?;
        let nonce = nonce(&mut cursor)?;
        let keys = [cursor.u64()?, cursor.u64()?];
        let code = code_from_number(cursor.u16()?);
        let size = usize::from(cursor.u16()?);
        let segment = cursor.u32()?;
        if size > MAX_REASON {
            return Err(Malformed("its reason is too long"));
        }
        let is_segment = memory == kind_number(MemoryKind::SystemV);
        if (answer != 0x84 && depth != 0) || (segment != 0 && !is_segment) {
            return Err(Malformed("a reserved field is not zero"));
        }
        let answer = match (answer, kind(memory)) {
            (0x81, Some(kind)) => Answer::Memory { kind, segment, ring: bytes, keys },
            (0x81, None) => return Err(Malformed("it grants memory of a kind that is not known here")),
            (0x82, _) => Answer::Stream,
            (0x83, _) => Answer::Refused(code),
            (0x84, _) => Answer::Queues { message: bytes, depth, keys },
            _ => return Err(Malformed("it grants something that is not known here")),
        };
        Ok((Grant { answer, trust, nonce, reason: String::new() }, size))
    }
}

fn begin(cursor: &mut Cursor<'_>) -> Result<(), Malformed> {
    match cursor.bytes(MEETING.len())? {
        known if known == MEETING => Ok(()),
        other if other.starts_with(b"\xFARMEET\n") => {
            Err(Malformed("it speaks another version of the rendezvous"))
        }
        _ => Err(Malformed("it does not speak the rendezvous of Farcall")),
    }
}

fn trust(byte: u8) -> Result<Trust, Malformed> {
    match byte {
        0 => Ok(Trust::Trusted),
        1 => Ok(Trust::SameUser),
        2 => Ok(Trust::Hostile),
        _ => Err(Malformed("its trust is not one that is known here")),
    }
}

fn kind_number(kind: MemoryKind) -> u8 {
    match kind {
        MemoryKind::Memfd => 1,
        MemoryKind::Posix => 2,
        MemoryKind::SystemV => 3,
        MemoryKind::File => 4,
    }
}

fn kind(number: u8) -> Option<MemoryKind> {
    let kinds = [MemoryKind::Memfd, MemoryKind::Posix, MemoryKind::SystemV, MemoryKind::File];
    kinds.into_iter().find(|kind| kind_number(*kind) == number)
}

fn nonce(cursor: &mut Cursor<'_>) -> Result<[u8; 16], Malformed> {
    let bytes = cursor.bytes(16)?;
    bytes.try_into().map_err(|_| Malformed("a field is cut off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            wish: Wish::MemoryOrStream,
            trust: Trust::Hostile,
            memory: Some(MemoryKind::SystemV),
            max_depth: 9,
            max_ring: 1 << 18,
            nonce: [7; 16],
        }
    }

    fn grants() -> [Grant; 5] {
        let memory = |kind, segment| {
            let (ring, keys) = (1 << 20, [1, u64::MAX]);
            Answer::Memory { kind, segment, ring, keys }
        };
        let grant = |answer, reason: &str| Grant {
            answer,
            trust: Trust::SameUser,
            nonce: *b"0123456789abcdef",
            reason: reason.to_owned(),
        };
        [
            grant(memory(MemoryKind::File, 0), ""),
            grant(memory(MemoryKind::SystemV, u32::MAX), ""),
            grant(Answer::Queues { message: 1024, depth: 8, keys: [1, u64::MAX] }, ""),
            grant(Answer::Stream, "no memfd"),
            grant(Answer::Refused(Code::ResourceExhausted), "no room"),
        ]
    }

    fn head(bytes: &[u8]) -> &[u8; GRANT_SIZE] {
        bytes.first_chunk().unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        for wish in [Wish::Memory, Wish::MemoryOrStream, Wish::Stream, Wish::Queues] {
            let request = Request { wish, ..request() };
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        for grant in grants() {
            let bytes = grant.encode();
            let (mut read, text) = Grant::decode(head(&bytes)).unwrap();
            assert_eq!(bytes.len(), GRANT_SIZE + text);
            read.reason = String::from_utf8(bytes[GRANT_SIZE..].to_vec()).unwrap();
            assert_eq!(read, grant);
        }
    }

    #[test]
    fn a_flipped_bit_is_refused_or_read_as_what_it_says() {
        let bytes = request().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Request::decode(&flipped) {
                assert_eq!(read.encode(), flipped);
            }
        }
        for grant in grants() {
            let bytes = grant.encode();
            for bit in 0..GRANT_SIZE * 8 {
                let mut flipped = *head(&bytes);
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok((read, text)) = Grant::decode(&flipped) {
                    assert!(read != grant || text <= MAX_REASON);
                }
            }
        }
    }

    #[test]
    fn strangers_and_other_versions_are_told_apart() {
        let mut later = request().encode();
        later[7] += 1;
        assert!(Request::decode(&later).unwrap_err().to_string().contains("version"));
        let mut stream = [0; REQUEST_SIZE];
        stream[..8].copy_from_slice(b"\xFARCALL\n\x01");
        assert!(Request::decode(&stream).unwrap_err().to_string().contains("does not speak"));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut grant = grants()[3].clone();
        grant.reason = "é".repeat(MAX_REASON);
        let bytes = grant.encode();
        let (_, text) = Grant::decode(head(&bytes)).unwrap();
        assert_eq!(bytes.len(), GRANT_SIZE + text);
        assert!(std::str::from_utf8(&bytes[GRANT_SIZE..]).is_ok());
    }
}
