//! Facts about the codecs; each holds for every codec of the build.

mod bombs;
mod depth;
mod golden;
mod round_trips;
mod selection;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

/// Contains itself through a sequence.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

/// Contains itself through nothing but an option.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Chain(Option<Box<Chain>>);

/// Contains itself through a variant.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Expr {
    Zero,
    Neg(Box<Expr>),
    Sum { left: Box<Expr>, right: Box<Expr> },
}

fn encoded<T: Serialize + ?Sized>(codec: Codec, value: &T) -> Vec<u8> {
    let mut buf = Vec::new();
    encode(codec, value, &mut buf).unwrap_or_else(|error| panic!("{codec:?}: {error}"));
    buf
}

fn decoded<T: DeserializeOwned>(codec: Codec, bytes: &[u8]) -> Result<T, CodecError> {
    decode(codec, PlainSeed::<T>::new(), bytes, DecodeLimits::for_message(bytes.len()))
}

fn refused<T: DeserializeOwned>(codec: Codec, bytes: &[u8]) -> CodecErrorKind {
    match decoded::<T>(codec, bytes) {
        Ok(_) => panic!("{codec:?}: a bomb was decoded"),
        Err(error) => error.kind(),
    }
}

/// The codec by name, if this build has it.
fn named(name: &str) -> Option<Codec> {
    Codec::from_name(name)
}
