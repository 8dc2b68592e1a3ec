//! Frames as `WIRE.md` describes them, right and wrong.

pub(crate) const HELLO: u8 = 1;
pub(crate) const OPEN: u8 = 2;
pub(crate) const OPENED: u8 = 3;
pub(crate) const CALL: u8 = 4;
pub(crate) const REPLY: u8 = 5;
pub(crate) const ERROR: u8 = 6;
pub(crate) const CANCEL: u8 = 7;
pub(crate) const CANCELLED: u8 = 8;
pub(crate) const DONE: u8 = 9;
pub(crate) const ABORT: u8 = 10;
pub(crate) const PING: u8 = 11;
pub(crate) const DRAIN: u8 = 13;
pub(crate) const CLOSE: u8 = 14;

pub(crate) const MORE: u8 = 1;
pub(crate) const CONTINUED: u8 = 2;

/// Bytes of the largest frame.
pub(crate) const LARGEST: u32 = 65_792;

/// The methods of the victim's service, in the order in which [`open`] names them.
pub(crate) const ADD: u16 = 0;
pub(crate) const MARK: u16 = 1;
pub(crate) const BLOB: u16 = 2;
pub(crate) const HANG: u16 = 3;

/// A frame that was read.
pub(crate) struct Frame(pub(crate) Vec<u8>);

impl Frame {
    pub(crate) fn kind(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    pub(crate) fn call(&self) -> u64 {
        u64::from_le_bytes(*self.0[8..].first_chunk().expect("a header has a number"))
    }

    pub(crate) fn payload(&self) -> &[u8] {
        let options = if self.0[1] & 4 == 0 { 0 } else { 2 + usize::from(self.0[16]) };
        &self.0[16 + options..]
    }

    /// What an `ERROR` or a `CLOSE` says.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.payload().get(9..).unwrap_or_default()).into_owned()
    }
}

/// A frame with these fields.
pub(crate) fn frame(kind: u8, flags: u8, method: u16, object: u32, call: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, flags];
    frame.extend(method.to_le_bytes());
    frame.extend(object.to_le_bytes());
    frame.extend(call.to_le_bytes());
    frame.extend(payload);
    frame
}

/// A frame about a call, without anything else.
pub(crate) fn bare(kind: u8, call: u64) -> Vec<u8> {
    frame(kind, 0, 0, 0, call, &[])
}

pub(crate) fn call(number: u64, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(CALL, 0, method, 1, number, arguments)
}

/// A fragment of a call or a reply.
pub(crate) fn fragment(kind: u8, flags: u8, number: u64, payload: &[u8]) -> Vec<u8> {
    frame(kind, flags, ADD, 1, number, payload)
}

/// Where the flags of a hello begin.
pub(crate) const HELLO_FLAGS: usize = 16 + 8;

/// A hello that says not whose it is, of versions 1 to `highest`.
pub(crate) fn hello_of(lowest: u16, highest: u16, codec: &str) -> Vec<u8> {
    let mut payload = b"FCAL".to_vec();
    payload.extend(lowest.to_le_bytes());
    payload.extend(highest.to_le_bytes());
    payload.extend([1, 0]);
    payload.extend((1_u64 << 20).to_le_bytes());
    payload.extend(256_u32.to_le_bytes());
    payload.extend(name(codec));
    frame(HELLO, 0, 0, 0, 0, &payload)
}

pub(crate) fn hello() -> Vec<u8> {
    hello_of(1, 1, "bincode")
}

fn name(text: &str) -> Vec<u8> {
    let mut name = vec![text.len() as u8];
    name.extend(text.as_bytes());
    name
}

/// Opens the victim's service under a number.
pub(crate) fn open(object: u32) -> Vec<u8> {
    let methods = ["add", "mark", "blob", "hang"];
    let mut payload = name("Victim");
    payload.extend((methods.len() as u16).to_le_bytes());
    for method in methods {
        payload.extend(name(method));
        payload.extend([0; 8]);
    }
    frame(OPEN, 0, 0, object, 0, &payload)
}

/// The answer that all of an opening is served.
pub(crate) fn opened(opening: &Frame) -> Vec<u8> {
    let payload = opening.payload();
    let after_name = 1 + usize::from(payload[0]);
    let count = *payload[after_name..].first_chunk().expect("an opening has a count");
    let mut answer = vec![0];
    answer.extend(count);
    answer.extend(vec![0; usize::from(u16::from_le_bytes(count))]);
    answer.extend([0, 0]);
    let object = u32::from_le_bytes(*opening.0[4..].first_chunk().expect("a header has an object"));
    frame(OPENED, 0, 0, object, 0, &answer)
}

/// A number as a codec writes it.
pub(crate) fn number(value: u64) -> Vec<u8> {
    match value {
        ..=250 => vec![value as u8],
        _ => [&[253][..], &value.to_le_bytes()].concat(),
    }
}
