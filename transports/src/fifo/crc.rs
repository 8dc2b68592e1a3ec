//! CRC-32C (Castagnoli, RFC 3720), eight bytes at a time.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// For each byte, what it adds to the rest when so many bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ POLYNOMIAL } else { rest >> 1 };
            bit += 1;
        }
        tables[0][byte] = rest;
        byte += 1;
    }
    let mut follow = 1;
    while follow < 8 {
        byte = 0;
        while byte < 256 {
            let rest: u32 = tables[follow - 1][byte];
            tables[follow][byte] = (rest >> 8) ^ tables[0][(rest & 0xFF) as usize];
            byte += 1;
        }
        follow += 1;
    }
    tables
}

/// A sum over bytes that come piece by piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc(u32);

impl Crc {
    pub(super) fn new() -> Self {
        Crc(u32::MAX)
    }

    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let mut rest = self.0;
        let (eights, last) = bytes.as_chunks::<8>();
        for eight in eights {
            let [a, b, c, d, e, f, g, h] = *eight;
            let [a, b, c, d] = (rest ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
            // Written out: in an unoptimized build iterators cost ten times as much, and each byte comes by here.
            rest = TABLES[7][usize::from(a)]
                ^ TABLES[6][usize::from(b)]
                ^ TABLES[5][usize::from(c)]
                ^ TABLES[4][usize::from(d)]
                ^ TABLES[3][usize::from(e)]
                ^ TABLES[2][usize::from(f)]
                ^ TABLES[1][usize::from(g)]
                ^ TABLES[0][usize::from(h)];
        }
        for byte in last {
            rest = (rest >> 8) ^ TABLES[0][(rest as u8 ^ byte) as usize];
        }
        Crc(rest)
    }

    pub(super) fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standard() {
        for (bytes, sum) in
            [(&b"123456789"[..], 0xE306_9283), (&[0; 32], 0x8A91_36AA), (&[0xFF; 32], 0x62A8_AB43), (b"", 0)]
        {
            assert_eq!(Crc::new().add(bytes).sum(), sum);
            let (one, two) = bytes.split_at(bytes.len() / 3);
            assert_eq!(Crc::new().add(one).add(two).sum(), sum, "in pieces");
        }
    }
}
