//! What is said before a connection over FIFOs: a request through the well-known one, a welcome through the client's.

use super::crc::Crc;

const REQUEST: [u8; 8] = *b"\xFARFIFO\n\x01";

/// Bytes of a request and of a welcome: fewer than a pipe takes whole, so that two never mix.
pub(super) const REQUEST_SIZE: usize = 44;
pub(super) const WELCOME_SIZE: usize = 28;

/// Somebody wants a connection over a pair that it has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Known to both sides and nobody else.
    pub(super) cookie: [u8; 16],
    /// Of what the names of the pair are made.
    pub(super) pair: [u8; 16],
}

impl Request {
    pub(super) fn encode(&self) -> [u8; REQUEST_SIZE] {
        let said = [&REQUEST[..], &self.cookie, &self.pair].concat();
        sealed(said).try_into().expect("a request has 44 bytes")
    }

    /// The first request in these bytes, and where it ends. Garbage before it is passed over.
    pub(super) fn find(bytes: &[u8]) -> Option<(Request, usize)> {
        let at = |start: usize| {
            let said: &[u8; REQUEST_SIZE] = bytes.get(start..)?.first_chunk()?;
            let (said, sum) = said.split_at(REQUEST_SIZE - 4);
            if !said.starts_with(&REQUEST) || Crc::new().add(said).sum().to_le_bytes() != sum {
                return None;
            }
            let (cookie, pair) = said[REQUEST.len()..].split_at(16);
            let request = Request { cookie: cookie.try_into().ok()?, pair: pair.try_into().ok()? };
            Some((request, start + REQUEST_SIZE))
        };
        (0..bytes.len()).find_map(at)
    }
}

/// What the listening side says once it has both ends of the pair.
pub(super) fn welcome(cookie: &[u8; 16]) -> [u8; WELCOME_SIZE] {
    sealed([&REQUEST[..], cookie].concat()).try_into().expect("a welcome has 28 bytes")
}

fn sealed(mut said: Vec<u8>) -> Vec<u8> {
    let sum = Crc::new().add(&said).sum();
    said.extend_from_slice(&sum.to_le_bytes());
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes under this name in `WIRE.md`.
    fn vector(name: &str) -> Vec<u8> {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../WIRE.md")).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("= "));
        let line = line.expect("the page has it");
        line.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn request() -> Request {
        Request {
            cookie: std::array::from_fn(|at| at as u8),
            pair: std::array::from_fn(|at| 0x10 + at as u8),
        }
    }

    #[test]
    fn what_is_said_is_as_the_page_says() {
        assert_eq!(request().encode()[..], vector("fifo-request"));
        assert_eq!(welcome(&request().cookie)[..], vector("fifo-welcome"));
    }

    #[test]
    fn a_request_is_found_behind_garbage() {
        let bytes = request().encode();
        for garbage in [&b""[..], b"hello", &bytes[..20], &REQUEST] {
            let said = [garbage, &bytes, b"more"].concat();
            assert_eq!(Request::find(&said), Some((request(), garbage.len() + REQUEST_SIZE)));
        }
        let mut false_one = bytes;
        false_one[30] ^= 1;
        assert_eq!(Request::find(&false_one), None);
        assert_eq!(Request::find(&bytes[..43]), None);
    }
}
