//! The header of every frame: sixteen fixed bytes, then optional fields that can be skipped.

use std::time::Duration;

use super::cursor::{Cursor, Malformed};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// First frame of each side: version and limits.
    Hello,
    /// Opens a service under a number.
    Open,
    /// Answers an `Open`, method by method.
    Opened,
    /// A call's arguments, or a fragment of them.
    Call,
    /// Verdict: the handler returned; its result, or a fragment of it.
    Reply,
    /// Verdict: the call failed; code, fate, sentence.
    Error,
    /// The caller no longer wants the call.
    Cancel,
    /// Verdict: the call was cancelled; its fate.
    Cancelled,
    /// Verdict: this many one-way calls came to their end.
    Done,
    /// The rest of a call begun with fragments will not come.
    Abort,
    /// Asks for a `Pong` with the same call number.
    Ping,
    /// Answers a `Ping`.
    Pong,
    /// No new calls after the named one will be taken.
    Drain,
    /// The last frame of a side: why it closes.
    Close,
    /// Reserved for streams, credit and objects; a frame of this kind is refused.
    Reserved(u8),
    /// A kind of a later version that may be skipped (128 and above).
    Skippable(u8),
}

impl Kind {
    const TABLE: [Kind; 14] = [
        Kind::Hello,
        Kind::Open,
        Kind::Opened,
        Kind::Call,
        Kind::Reply,
        Kind::Error,
        Kind::Cancel,
        Kind::Cancelled,
        Kind::Done,
        Kind::Abort,
        Kind::Ping,
        Kind::Pong,
        Kind::Drain,
        Kind::Close,
    ];

    pub(super) fn from_byte(byte: u8) -> Kind {
        match byte {
            128.. => Kind::Skippable(byte),
            _ => {
                let at = usize::from(byte).checked_sub(1);
                at.and_then(|at| Kind::TABLE.get(at)).copied().unwrap_or(Kind::Reserved(byte))
            }
        }
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Kind::Hello => 1,
            Kind::Open => 2,
            Kind::Opened => 3,
            Kind::Call => 4,
            Kind::Reply => 5,
            Kind::Error => 6,
            Kind::Cancel => 7,
            Kind::Cancelled => 8,
            Kind::Done => 9,
            Kind::Abort => 10,
            Kind::Ping => 11,
            Kind::Pong => 12,
            Kind::Drain => 13,
            Kind::Close => 14,
            Kind::Reserved(byte) | Kind::Skippable(byte) => byte,
        }
    }
}

/// The flag bits of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// More fragments of this message follow.
    pub const MORE: Flags = Flags(0x01);
    /// This fragment continues a message.
    pub const CONTINUED: Flags = Flags(0x02);
    /// Optional fields follow the fixed header.
    pub const OPTIONS: Flags = Flags(0x04);
    /// Of a `Reply`: the payload is the service's own error.
    pub const FAILED: Flags = Flags(0x10);
    /// All that this version knows. One-way (0x08), descriptors (0x40) and CRC (0x80) are reserved.
    const KNOWN: u8 = 0x17;

    /// Both.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Bits that this version does not know.
    pub const fn unknown(self) -> u8 {
        self.0 & !Flags::KNOWN
    }
}

/// The fixed part of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the frame is.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// The method's place in the table that `Open` gave.
    pub method: u16,
    /// The service's number, as chosen by the side that opened it.
    pub object: u32,
    /// The call's number, in the numbering of the side that called; grows strictly.
    pub call: u64,
}

/// The optional fields that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Time left until the caller's deadline.
    pub deadline: Option<Duration>,
    /// The call, in the numbering of the *receiving* side, during whose handling this call is made.
    pub cause: Option<u64>,
    /// What the caller wants taken first, where calls wait in a queue; 0: nothing special.
    pub priority: u8,
    /// Of a call: its caller has left it to itself and waits for no verdict.
    pub detached: bool,
    /// A field that must be understood and is not.
    pub refused: Option<u8>,
}

/// Tags of optional fields; from 128 on, a receiver that does not know a tag must refuse the frame.
const DEADLINE: u8 = 1;
const CAUSE: u8 = 2;
const PRIORITY: u8 = 5;
const DETACHED: u8 = 6;
const MUST_KNOW: u8 = 0x80;

/// Fixed bytes of a header.
const FIXED: usize = 16;

/// The longest header that this version writes.
const LONGEST: usize = FIXED + 2 + 4 * 10;

/// A header as bytes, held in place.
#[derive(Clone, Copy, Debug)]
pub struct HeadBytes {
    bytes: [u8; LONGEST],
    size: u8,
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "what is put fits in LONGEST")]
impl HeadBytes {
    /// No header.
    pub const EMPTY: HeadBytes = HeadBytes { bytes: [0; LONGEST], size: 0 };

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }

    #[inline(always)]
    fn put(&mut self, tag: u8, value: u64) {
        let at = usize::from(self.size);
        let field = &mut self.bytes[at..at + 10];
        (field[0], field[1]) = (tag, 8);
        field[2..].copy_from_slice(&value.to_le_bytes());
        self.size += 10;
    }
}

impl Head {
    /// A header without flags, of the connection itself (object and method 0).
    pub const fn new(kind: Kind, call: u64) -> Self {
        Head { kind, flags: Flags::NONE, method: 0, object: 0, call }
    }

    /// The header's bytes; the `OPTIONS` flag is set as `options` demand.
    #[inline(always)]
    pub fn encode(self, options: Options) -> HeadBytes {
        let mut out = HeadBytes::EMPTY;
        self.encode_into(options, &mut out);
        out
    }

    /// The same, written where it stays, over what was no header. It is written in the words in which it is copied from there:
    /// what was stored in one piece the processor forwards to who loads it or a part of it, what was stored in two it does not.
    #[expect(clippy::arithmetic_side_effects, reason = "there are four optional fields at most")]
    #[inline(always)]
    pub fn encode_into(self, options: Options, out: &mut HeadBytes) {
        let given =
            [options.deadline.is_some(), options.cause.is_some(), options.priority != 0, options.detached];
        let fields: u16 = given.into_iter().map(u16::from).sum();
        let plain = Flags(self.flags.0 & !Flags::OPTIONS.0);
        let flags = if fields == 0 { plain } else { plain.with(Flags::OPTIONS) };
        let first = u64::from(self.kind.to_byte())
            | u64::from(flags.0) << 8
            | u64::from(self.method) << 16
            | u64::from(self.object) << 32;
        out.bytes[..8].copy_from_slice(&first.to_le_bytes());
        out.bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        out.size = 16;
        let length = fields * 10;
        match options.deadline {
            Some(left) => {
                let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
                let word = u64::from(length) | u64::from(DEADLINE) << 16 | 8 << 24 | left << 32;
                out.bytes[16..24].copy_from_slice(&word.to_le_bytes());
                out.bytes[24..28].copy_from_slice(&left.to_le_bytes()[4..]);
                out.size = 28;
            }
            None if fields > 0 => {
                out.bytes[16..18].copy_from_slice(&length.to_le_bytes());
                out.size = 18;
            }
            None => {}
        }
        if let Some(cause) = options.cause {
            out.put(CAUSE, cause);
        }
        if options.priority != 0 {
            out.put(PRIORITY, options.priority.into());
        }
        if options.detached {
            out.put(DETACHED, 1);
        }
    }
}

/// A frame taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The fixed header.
    pub head: Head,
    /// The optional fields.
    pub options: Options,
    /// The rest.
    pub payload: &'a [u8],
}

/// Takes a frame apart.
///
/// # Errors
/// [`Malformed`] if the header is cut off or a field has the wrong size.
#[inline(always)]
pub fn parse(frame: &[u8]) -> Result<Parsed<'_>, Malformed> {
    let (fixed, rest) = frame.split_first_chunk::<FIXED>().ok_or(Malformed("a header is cut off"))?;
    let [kind, flags, m0, m1, o0, o1, o2, o3, c0, c1, c2, c3, c4, c5, c6, c7] = *fixed;
    let head = Head {
        kind: Kind::from_byte(kind),
        flags: Flags(flags),
        method: u16::from_le_bytes([m0, m1]),
        object: u32::from_le_bytes([o0, o1, o2, o3]),
        call: u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
    };
    if !head.flags.has(Flags::OPTIONS) {
        return Ok(Parsed { head, options: Options::default(), payload: rest });
    }
    // Nearly every call has a deadline and nothing else.
    if let Some(([10, 0, DEADLINE, 8, nanos @ ..], payload)) = rest.split_first_chunk::<12>() {
        let deadline = Some(Duration::from_nanos(u64::from_le_bytes(*nanos)));
        return Ok(Parsed { head, options: Options { deadline, ..Options::default() }, payload });
    }
    let mut cursor = Cursor(rest);
    let size = cursor.u16()?;
    let options = parse_options(cursor.bytes(size.into())?)?;
    Ok(Parsed { head, options, payload: cursor.0 })
}

#[cold]
fn parse_options(fields: &[u8]) -> Result<Options, Malformed> {
    let mut options = Options::default();
    let mut cursor = Cursor(fields);
    while !cursor.0.is_empty() {
        let tag = cursor.u8()?;
        let size = cursor.u8()?;
        let mut value = Cursor(cursor.bytes(size.into())?);
        match tag {
            DEADLINE => options.deadline = Some(Duration::from_nanos(value.u64()?)),
            CAUSE => options.cause = Some(value.u64()?),
            PRIORITY => options.priority = u8::try_from(value.u64()?).unwrap_or(u8::MAX),
            DETACHED => options.detached = value.u64()? != 0,
            tag => {
                value.0 = &[];
                options.refused = options.refused.or((tag & MUST_KNOW != 0).then_some(tag));
            }
        }
        if !value.0.is_empty() {
            return Err(Malformed("an optional field has the wrong size"));
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire_with_every_option() {
        let head = Head { kind: Kind::Call, flags: Flags::MORE, method: 7, object: 9, call: 1 << 40 };
        let options = Options {
            deadline: Some(Duration::from_millis(250)),
            cause: Some(3),
            priority: 31,
            detached: true,
            refused: None,
        };
        let bytes = head.encode(options);
        let parsed = parse(bytes.as_slice()).unwrap();
        assert_eq!(parsed.options, options);
        assert_eq!(parsed.head, Head { flags: Flags::MORE.with(Flags::OPTIONS), ..head });
    }

    #[test]
    fn an_unknown_option_is_skipped_and_one_that_must_be_known_is_named() {
        let mut frame = Head::new(Kind::Ping, 1).encode(Options::default()).as_slice().to_vec();
        frame[1] |= Flags::OPTIONS.0;
        frame.extend_from_slice(&[7, 0, 9, 1, 77, 0x85, 2, 1, 1, 42]);
        let parsed = parse(&frame).unwrap();
        assert_eq!((parsed.options.refused, parsed.payload), (Some(0x85), &[42][..]));
    }

    #[test]
    fn a_header_without_options_says_so_whatever_its_flags() {
        let head = Head { flags: Flags::OPTIONS.with(Flags::MORE), ..Head::new(Kind::Call, 1) };
        let bytes = head.encode(Options::default());
        assert_eq!(parse(bytes.as_slice()).unwrap().head.flags, Flags::MORE);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_payload() {
        let options = Options { deadline: Some(Duration::MAX), cause: Some(1), ..Options::default() };
        let bytes = Head::new(Kind::Call, 1).encode(options);
        for cut in 0..bytes.as_slice().len() {
            assert!(parse(&bytes.as_slice()[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn kinds_and_bytes_agree() {
        for byte in 0..=255 {
            assert_eq!(Kind::from_byte(byte).to_byte(), byte);
        }
    }
}
