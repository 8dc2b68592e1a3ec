//! A taker's ledger: memory in which it notes the calls that it dispatches, for their callers to read after its death.

use super::Id;

/// The first line of a ledger. The last byte that is not zero is the version.
pub const HEAD: [u8; ENTRY_SIZE] = *b"\xFARLEDG\n\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Bytes of an entry, and of what a ledger begins with.
pub const ENTRY_SIZE: usize = 32;

/// A call that was taken. It stays until its verdict has left, and as long after as nobody needs the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose call it is: his socket.
    pub caller: Id,
    /// The call's number, in the caller's numbering.
    pub call: u64,
}

impl Entry {
    /// The bytes. In whatever order they are written, an entry of which some are missing is none: the last eight are the
    /// others' exclusive or.
    pub fn encode(&self) -> [u8; ENTRY_SIZE] {
        let check = self.call ^ folded(&self.caller);
        let rest = u128::from(self.call) | u128::from(check) << 64;
        let halves = [self.caller, rest.to_le_bytes()];
        *halves.as_flattened().first_chunk().expect("two halves of sixteen bytes")
    }

    fn decode(line: &[u8; ENTRY_SIZE]) -> Option<Entry> {
        let (caller, rest) = line.split_first_chunk::<16>()?;
        let (call, rest) = rest.split_first_chunk::<8>()?;
        let (call, check) = (u64::from_le_bytes(*call), u64::from_le_bytes(*rest.first_chunk::<8>()?));
        let is_whole = call != 0 && check == call ^ folded(caller);
        is_whole.then_some(Entry { caller: *caller, call })
    }
}

/// Both halves, one over the other.
fn folded(id: &Id) -> u64 {
    id.as_chunks::<8>().0.iter().fold(0, |sum, half| sum ^ u64::from_le_bytes(*half))
}

/// What is written in a ledger; nothing, if it is none.
pub fn entries(ledger: &[u8]) -> impl Iterator<Item = Entry> {
    let lines = match ledger.as_chunks::<ENTRY_SIZE>().0 {
        [first, lines @ ..] if *first == HEAD => lines,
        _ => &[],
    };
    lines.iter().filter_map(Entry::decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(caller: u8, call: u64) -> Entry {
        Entry { caller: std::array::from_fn(|at| caller.wrapping_mul(at as u8 + 3)), call }
    }

    #[test]
    fn entries_are_read_where_they_were_written() {
        let mut ledger = [HEAD, [0; ENTRY_SIZE], entry(7, 9).encode(), entry(8, 1 << 40).encode()].concat();
        assert_eq!(entries(&ledger).collect::<Vec<_>>(), [entry(7, 9), entry(8, 1 << 40)]);
        ledger[7] += 1;
        assert_eq!(entries(&ledger).count(), 0, "of another version");
        assert_eq!(entries(b"").count(), 0);
    }

    #[test]
    fn an_entry_that_was_half_written_over_another_is_none() {
        for (old, new) in
            [(entry(7, 8), entry(7, 9)), (entry(7, 9), entry(8, 9)), (entry(7, 8), entry(9, 500))]
        {
            let (old, new) = (old.encode(), new.encode());
            for written in 0_u32..16 {
                let mut line = old;
                for word in (0..4).filter(|word| written & (1 << word) != 0) {
                    line[word * 8..][..8].copy_from_slice(&new[word * 8..][..8]);
                }
                let found = entries(&[HEAD, line].concat()).next().map(|entry| entry.encode());
                assert!(found.is_none() || line == old || line == new, "words {written:04b}");
            }
        }
    }
}
