//! A message that changes at both ends with each call, so that an old reply is not taken for a new one.

use std::io;

/// What stands at each end, or at the start alone if the message is shorter than two.
const MARK: usize = 8;

/// The message of a client.
#[derive(Debug)]
pub(super) struct Stamp {
    message: Vec<u8>,
    number: u64,
}

impl Stamp {
    /// A message of so many bytes, at least eight.
    pub(super) fn new(bytes: usize) -> Self {
        Self { message: vec![0x5a; bytes.max(MARK)], number: 0 }
    }

    /// The message of the next call.
    pub(super) fn next(&mut self) -> &[u8] {
        self.number += 1;
        let mark = self.number.to_ne_bytes();
        let end = self.message.len() - MARK;
        self.message[end..].copy_from_slice(&mark);
        self.message[..MARK].copy_from_slice(&mark);
        &self.message
    }

    /// Compares a reply with the message it must repeat: the first ones whole, later ones at both ends.
    pub(super) fn check(&self, reply: &[u8]) -> io::Result<()> {
        let end = self.message.len() - MARK;
        let same = reply.len() == self.message.len()
            && reply[..MARK] == self.message[..MARK]
            && reply[end..] == self.message[end..]
            && (self.number > 16 || reply == self.message);
        if same { Ok(()) } else { Err(io::Error::other("the reply is not what was sent")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_garbled_replies_are_refused() {
        let mut stamp = Stamp::new(32);
        let old = stamp.next().to_vec();
        assert!(stamp.check(&old).is_ok());
        let mut garbled = stamp.next().to_vec();
        assert!(stamp.check(&old).is_err());
        garbled[16] ^= 1;
        assert!(stamp.check(&garbled).is_err());
        assert!(stamp.check(&garbled[..31]).is_err());
    }
}
