//! Small messages that claim to be large values.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use super::*;

const DEEP: usize = 1_000_000;

/// `head` 10^6 times, in each codec that can say this.
fn deep(heads: &[(&str, &[u8])]) -> Vec<(Codec, Vec<u8>)> {
    heads.iter().filter_map(|(name, head)| Some((named(name)?, head.repeat(DEEP)))).collect()
}

/// A length of 2^64 - 1, or the largest that the codec can claim.
fn endless() -> Vec<(Codec, Vec<u8>)> {
    let claims: [(&str, &[u8]); 3] = [
        ("bincode", &[253, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("postcard", &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ("msgpack", &[0xdd, 255, 255, 255, 255]),
    ];
    claims.iter().filter_map(|(name, claim)| Some((named(name)?, claim.to_vec()))).collect()
}

#[test]
fn a_sequence_nested_a_million_times_is_refused() {
    for (codec, bytes) in deep(&[("bincode", &[1]), ("postcard", &[1]), ("msgpack", &[0x91]), ("json", b"[")])
    {
        assert_eq!(refused::<Nest>(codec, &bytes), CodecErrorKind::Depth, "{codec:?}");
    }
}

#[test]
fn an_option_nested_a_million_times_is_refused() {
    for (codec, bytes) in deep(&[("bincode", &[1]), ("postcard", &[1]), ("msgpack", &[0x91]), ("json", b"[")])
    {
        assert_eq!(refused::<Chain>(codec, &bytes), CodecErrorKind::Depth, "{codec:?}");
    }
}

#[test]
fn a_variant_nested_a_million_times_is_refused() {
    let heads: [(&str, &[u8]); 4] = [
        ("bincode", &[1]),
        ("postcard", &[2]),
        ("msgpack", &[0x81, 0xa3, b'N', b'e', b'g']),
        ("json", br#"{"Neg":"#),
    ];
    for (codec, bytes) in deep(&heads) {
        assert_eq!(refused::<Expr>(codec, &bytes), CodecErrorKind::Depth, "{codec:?}");
    }
}

#[test]
fn a_map_nested_a_million_times_is_refused() {
    #[derive(Debug, Deserialize)]
    struct Tree(#[expect(dead_code, reason = "it is only decoded")] BTreeMap<String, Tree>);
    let heads: [(&str, &[u8]); 4] = [
        ("bincode", &[1, 1, b'k']),
        ("postcard", &[1, 1, b'k']),
        ("msgpack", &[0x81, 0xa1, b'k']),
        ("json", br#"{"k":"#),
    ];
    for (codec, bytes) in deep(&heads) {
        assert_eq!(refused::<Tree>(codec, &bytes), CodecErrorKind::Depth, "{codec:?}");
    }
}

#[test]
fn an_unknown_field_nested_a_million_times_does_not_overflow() {
    #[derive(Debug, Deserialize)]
    struct Known {}
    for (codec, deep) in deep(&[("msgpack", &[0x91]), ("json", b"[")]) {
        let mut bytes = match codec.name() {
            "json" => br#"{"k":"#.to_vec(),
            _ => vec![0x81, 0xa1, b'k'],
        };
        bytes.extend(deep);
        assert!(decoded::<Known>(codec, &bytes).is_err(), "{codec:?}");
    }
}

#[test]
fn an_endless_sequence_of_nothing_is_refused() {
    for (codec, mut bytes) in endless() {
        if codec.name() == "msgpack" {
            bytes.extend([0xc0].repeat(70_000));
        }
        assert_eq!(refused::<Vec<()>>(codec, &bytes), CodecErrorKind::ZeroSized, "{codec:?}");
    }
    if let Some(json) = named("json") {
        let bytes = format!("[{}null]", "null,".repeat(70_000));
        assert_eq!(refused::<Vec<()>>(json, bytes.as_bytes()), CodecErrorKind::ZeroSized);
    }
}

#[test]
fn an_endless_map_of_nothing_is_refused() {
    for (codec, bytes) in endless().into_iter().filter(|(codec, _)| codec.name() != "msgpack") {
        assert_eq!(refused::<HashMap<(), ()>>(codec, &bytes), CodecErrorKind::ZeroSized, "{codec:?}");
    }
}

#[test]
fn elements_that_take_no_bytes_are_charged_with_their_size() {
    #[derive(Debug, Default, Deserialize)]
    struct Skipped {
        #[serde(skip)]
        _pad: [u64; 8],
    }
    for (codec, bytes) in endless().into_iter().filter(|(codec, _)| codec.name() != "msgpack") {
        assert_eq!(refused::<Vec<Skipped>>(codec, &bytes), CodecErrorKind::Budget, "{codec:?}");
    }
}

#[test]
fn a_sequence_of_absent_large_values_is_refused() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![None::<u8>; 500_000]);
        let error = decoded::<Vec<Option<[u64; 32]>>>(codec, &bytes).map(drop).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Budget, "{codec:?}");
        assert!(error.to_string().contains("?decode_budget="), "{error}");
    }
}

#[test]
fn absent_large_values_behind_pointers_are_refused() {
    type Page = [Option<[u64; 32]>; 32];
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![[None::<u8>; 32]; 4_000]);
        assert_eq!(refused::<Vec<Box<Page>>>(codec, &bytes), CodecErrorKind::Budget, "{codec:?}");
    }
}

#[test]
fn a_sequence_of_empty_sequences_stays_within_the_budget() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![Vec::<u8>::new(); 500_000]);
        let limits = DecodeLimits::for_message(bytes.len()).with_budget(500_000 * 24 - 1);
        let error = decode(codec, PlainSeed::<Vec<Vec<u8>>>::new(), &bytes, limits).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Budget, "{codec:?}");
        let limits = limits.with_budget(500_000 * 24);
        assert!(decode(codec, PlainSeed::<Vec<Vec<u8>>>::new(), &bytes, limits).is_ok(), "{codec:?}");
    }
}

#[test]
fn a_string_of_a_tebibyte_is_refused() {
    let claims: [(&str, &[u8]); 3] = [
        ("bincode", &[253, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("postcard", &[128, 128, 128, 128, 128, 32]),
        ("msgpack", &[0xdb, 255, 255, 255, 255]),
    ];
    for (name, bytes) in claims {
        let Some(codec) = named(name) else { continue };
        assert_eq!(refused::<String>(codec, bytes), CodecErrorKind::Malformed, "{codec:?}");
        let bulk = decode(codec, BulkSeed, bytes, DecodeLimits::for_message(bytes.len()));
        assert_eq!(bulk.unwrap_err().kind(), CodecErrorKind::Malformed, "{codec:?}");
    }
}

#[test]
fn an_owned_string_is_charged_and_a_borrowed_one_is_not() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, "four");
        let limits = DecodeLimits::for_message(bytes.len()).with_budget(3);
        let owned = decode(codec, PlainSeed::<String>::new(), &bytes, limits);
        assert_eq!(owned.unwrap_err().kind(), CodecErrorKind::Budget, "{codec:?}");
        assert_eq!(decode(codec, StrSeed, &bytes, limits).unwrap(), "four", "{codec:?}");
    }
}

#[test]
fn a_limit_cannot_be_swallowed_by_a_type() {
    #[derive(Debug)]
    struct Lenient;
    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let _ = Nest::deserialize(deserializer);
            Ok(Lenient)
        }
    }
    for (codec, bytes) in deep(&[("bincode", &[1]), ("postcard", &[1])]) {
        assert_eq!(refused::<Lenient>(codec, &bytes), CodecErrorKind::Depth, "{codec:?}");
    }
}

#[test]
fn hostile_durations_and_times_are_errors() {
    for &codec in Codec::ALL {
        let most = encoded(codec, &Duration::MAX);
        assert_eq!(decoded::<Duration>(codec, &most).unwrap(), Duration::MAX, "{codec:?}");

        #[derive(Serialize)]
        struct Parts {
            secs: u64,
            nanos: u32,
            secs_since_epoch: u64,
            nanos_since_epoch: u32,
        }
        let (secs, nanos) = (u64::MAX, u32::MAX);
        let both = encoded(codec, &Parts { secs, nanos, secs_since_epoch: secs, nanos_since_epoch: nanos });
        let tuple = encoded(codec, &(secs, nanos));
        for bytes in [&both, &tuple] {
            assert!(decoded::<Duration>(codec, bytes).is_err(), "{codec:?}");
            assert!(decoded::<SystemTime>(codec, bytes).is_err(), "{codec:?}");
        }
    }
}
