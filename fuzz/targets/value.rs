//! Bytes to values under the guard, for every codec and types of every shape.

#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use farcall_core::Apart;
use farcall_core::codec::{BulkSeed, BytesSeed, Codec, DecodeLimits, PlainSeed, Reader as _, StrSeed, decode, encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

#[derive(Debug, Serialize, Deserialize)]
enum Expr {
    Nothing,
    Number(i64),
    Neg(Box<Expr>),
    Sum(Vec<Expr>),
    Named { name: String, of: Option<Box<Expr>> },
}

#[derive(Debug, Serialize, Deserialize)]
struct Wide {
    flag: bool,
    letter: char,
    small: (u8, i8, u16, i16),
    large: (u64, i64, u128, i128),
    floats: (f32, f64),
    text: String,
    blocks: Vec<Option<[u64; 32]>>,
    table: BTreeMap<String, Vec<u32>>,
    wait: Duration,
    nothing: (),
}

fn value<T: DeserializeOwned + Serialize>(codec: Codec, bytes: &[u8]) {
    let limits = DecodeLimits::for_message(bytes.len());
    if let Ok(value) = decode(codec, PlainSeed::<T>::new(), bytes, limits) {
        let mut buf = Vec::new();
        if encode(codec, &value, &mut buf).is_ok() {
            let limits = DecodeLimits::for_message(buf.len().max(bytes.len()));
            decode(codec, PlainSeed::<T>::new(), &buf, limits).map(drop).expect("what was written can be read");
        }
    }
}

/// Bytes that are taken as they came are what would have been read.
fn apart(codec: Codec, bytes: &[u8], cut: usize) {
    let (front, rest) = bytes.split_at((cut + 1).min(bytes.len()));
    let mut parts = Apart { front: front.to_vec(), bytes: rest.to_vec() };
    if let Some(taken) = BulkSeed.take(codec, &mut parts) {
        let read = decode(codec, BulkSeed, bytes, DecodeLimits::for_message(bytes.len()));
        assert_eq!(taken, read.expect("what is taken can be read"));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&which, bytes)) = data.split_first() else { return };
    let codec = Codec::ALL[usize::from(which & 3) % Codec::ALL.len()];
    let limits = DecodeLimits::for_message(bytes.len());
    match which >> 2 & 15 {
        0 => value::<Nest>(codec, bytes),
        1 => value::<Expr>(codec, bytes),
        2 => value::<Wide>(codec, bytes),
        3 => value::<Vec<()>>(codec, bytes),
        4 => value::<Vec<Vec<u8>>>(codec, bytes),
        5 => value::<Vec<Option<[u64; 32]>>>(codec, bytes),
        6 => value::<HashMap<u16, HashMap<String, ()>>>(codec, bytes),
        7 => value::<(String, Vec<String>, Option<Option<u8>>)>(codec, bytes),
        8 => drop(decode(codec, StrSeed, bytes, limits)),
        9 => drop(decode(codec, BytesSeed, bytes, limits)),
        10 => value::<Result<Vec<u16>, Expr>>(codec, bytes),
        11 => value::<Vec<(f64, char)>>(codec, bytes),
        12 => apart(codec, bytes, usize::from(which >> 6)),
        _ => value::<BTreeMap<u64, Expr>>(codec, bytes),
    }
});
