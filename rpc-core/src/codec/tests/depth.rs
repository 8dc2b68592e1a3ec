//! Depth has one limit in both directions.

use super::*;
use crate::limits::DECODE_DEPTH;

fn nest(levels: u32) -> Nest {
    (1..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

fn negated(times: u32) -> Expr {
    (0..times).fold(Expr::Zero, |inner, _| Expr::Neg(Box::new(inner)))
}

#[test]
fn what_is_at_the_limit_passes_both_ways() {
    for &codec in Codec::ALL {
        let value = nest(DECODE_DEPTH);
        assert_eq!(decoded::<Nest>(codec, &encoded(codec, &value)).unwrap(), value, "{codec:?}");
        let value = negated(DECODE_DEPTH);
        assert_eq!(decoded::<Expr>(codec, &encoded(codec, &value)).unwrap(), value, "{codec:?}");
    }
}

/// A thread of a test has 2 MiB, and nothing is optimised away.
#[test]
fn a_large_value_at_the_limit_fits_the_stack() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[expect(clippy::large_enum_variant, reason = "each level is to take its room")]
    enum Large {
        Full([[u8; 32]; 32]),
        In(Box<Large>),
    }
    for &codec in Codec::ALL {
        let full = Large::Full([[7; 32]; 32]);
        let value = (0..DECODE_DEPTH - 3).fold(full, |inner, _| Large::In(Box::new(inner)));
        assert_eq!(decoded::<Large>(codec, &encoded(codec, &value)).unwrap(), value, "{codec:?}");
    }
}

#[test]
fn what_is_deeper_is_refused_by_the_encoder() {
    for &codec in Codec::ALL {
        let mut buf = b"before".to_vec();
        for levels in [DECODE_DEPTH + 1, 1_000] {
            let error = encode(codec, &nest(levels), &mut buf).unwrap_err();
            assert_eq!(error.kind(), CodecErrorKind::Unencodable, "{codec:?}");
            assert!(error.to_string().contains("64 levels"), "{error}");
            assert_eq!(buf, b"before", "{codec:?}");
        }
        assert!(encode(codec, &negated(DECODE_DEPTH + 1), &mut buf).is_err(), "{codec:?}");
    }
}

#[test]
fn what_is_deeper_is_refused_by_the_decoder() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &nest(10));
        let limits = DecodeLimits { depth: 9, ..DecodeLimits::for_message(bytes.len()) };
        let error = decode(codec, PlainSeed::<Nest>::new(), &bytes, limits).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Depth, "{codec:?}");
        assert!(error.to_string().contains("9 levels"), "{error}");
    }
}

#[test]
fn broad_values_are_not_deep() {
    for &codec in Codec::ALL {
        let sum = |left, right| Expr::Sum { left: Box::new(left), right: Box::new(right) };
        let value = (0..30).fold(Expr::Zero, |inner, _| sum(inner, Expr::Zero));
        assert_eq!(decoded::<Expr>(codec, &encoded(codec, &value)).unwrap(), value, "{codec:?}");
        let value = (0..1_000).map(|_| nest(3)).collect::<Vec<_>>();
        assert_eq!(decoded::<Vec<Nest>>(codec, &encoded(codec, &value)).unwrap(), value, "{codec:?}");
    }
}

#[test]
fn a_value_that_contains_itself_is_refused_by_the_encoder() {
    struct Ouroboros;
    impl Serialize for Ouroboros {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_some(self)
        }
    }
    for &codec in Codec::ALL {
        let error = encode(codec, &Ouroboros, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Unencodable, "{codec:?}");
    }
}
