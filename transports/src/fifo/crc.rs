//! CRC-32C (Castagnoli, RFC 3720), eight bytes at a time: by the processor where it knows how, else by tables.

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

    #[inline]
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if std::arch::is_x86_feature_detected!("sse4.2") {
            // SAFETY: the processor has just been asked whether it knows these instructions.
            return Crc(unsafe { by_processor(self.0, bytes) });
        }
        Crc(by_tables(self.0, bytes))
    }

    pub(super) fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "sse4.2")]
#[inline]
fn by_processor(rest: u32, bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (eights, last) = bytes.as_chunks::<8>();
    let mut wide = u64::from(rest);
    for eight in eights {
        wide = _mm_crc32_u64(wide, u64::from_le_bytes(*eight));
    }
    // The upper half of what the instruction gives is zero.
    let mut rest = wide as u32;
    for byte in last {
        rest = _mm_crc32_u8(rest, *byte);
    }
    rest
}

fn by_tables(mut rest: u32, bytes: &[u8]) -> u32 {
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
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_processor_agree() {
        let bytes: Vec<u8> = (0..200_u8).map(|at| at.wrapping_mul(151)).collect();
        for length in 0..bytes.len() {
            let by_tables = Crc(by_tables(u32::MAX, &bytes[..length]));
            assert_eq!(by_tables.sum(), Crc::new().add(&bytes[..length]).sum(), "{length} bytes");
        }
    }

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
