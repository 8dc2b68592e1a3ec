//! Values that come back as they went.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, value);
        match decoded::<T>(codec, &bytes) {
            Ok(back) => assert!(back == *value, "{codec:?}: {value:?} came back as {back:?}"),
            Err(error) => panic!("{codec:?}: {error}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i64,
    y: i64,
}

#[test]
fn a_thousand_points_come_back() {
    comes_back(&(0..1_000).map(|at| Point { x: at, y: -at }).collect::<Vec<_>>());
}

#[test]
fn absent_strings_come_back() {
    comes_back(&vec![None::<String>; 1_000]);
    comes_back(&vec![None::<String>; 1_000_000]);
}

#[test]
fn many_short_strings_come_back() {
    comes_back(&(0..200_000).map(|at| (at % 10).to_string()).collect::<Vec<_>>());
    comes_back(&vec![String::new(); 200_000]);
}

#[test]
fn unit_variants_of_a_large_enum_come_back() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[expect(clippy::large_enum_variant, reason = "that is the point")]
    enum Large {
        Unit,
        Full([[u64; 32]; 4]),
    }
    comes_back(&vec![Large::Unit; 100]);
    comes_back(&Large::Full([[7; 32]; 4]));
}

#[test]
fn structs_of_nothing_do_not_count_as_zero_sized_elements() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Marked {
        byte: u8,
        mark: (),
    }
    comes_back(&vec![Marked { byte: 1, mark: () }; 100_000]);
    comes_back(&(0..100_000).map(|at| (at, ())).collect::<HashMap<u32, ()>>());
}

#[test]
fn a_string_in_json_escapes_comes_back() {
    comes_back(&"a\"b\\c\u{1}\u{1f600}".to_owned());
}

#[test]
fn a_few_zero_sized_elements_come_back() {
    comes_back(&vec![(); 65_536]);
}

#[test]
fn bytes_left_over_are_an_error() {
    for &codec in Codec::ALL {
        let mut bytes = encoded(codec, &Point { x: 1, y: 2 });
        bytes.push(b'1');
        assert_eq!(refused::<Point>(codec, &bytes), CodecErrorKind::Trailing, "{codec:?}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &vec![(Point { x: 300, y: -70_000 }, Some("text".to_owned()))]);
        for end in 0..bytes.len() {
            let kind = refused::<Vec<(Point, Option<String>)>>(codec, &bytes[..end]);
            assert_eq!(kind, CodecErrorKind::Malformed, "{codec:?} at {end}");
        }
    }
}

#[test]
fn a_sequence_of_unknown_length_is_refused_in_words() {
    struct Unknown;
    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9).filter(|n| n % 2 == 0))
        }
    }
    if let Some(bincode) = named("bincode") {
        let error = encode(bincode, &Unknown, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the value cannot be encoded: a sequence or map does not know its length beforehand"
        );
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    New(i32),
    Tuple(u8, String),
    Struct { at: Option<u64>, more: Vec<Kind> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    integers: (i8, i16, i32, i64, i128),
    naturals: (u8, u16, u32, u64, u128),
    float: f64,
    letter: char,
    text: String,
    bytes: Vec<u8>,
    map: BTreeMap<u32, String>,
    kinds: Vec<Kind>,
    maybe: Option<Box<Point>>,
    outcome: Result<u16, String>,
    address: IpAddr,
}

fn kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Unit),
        any::<i32>().prop_map(Kind::New),
        any::<(u8, String)>().prop_map(|(byte, text)| Kind::Tuple(byte, text)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        (any::<Option<u64>>(), vec(inner, 0..3)).prop_map(|(at, more)| Kind::Struct { at, more })
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    let point = option::of(any::<(i64, i64)>().prop_map(|(x, y)| Box::new(Point { x, y })));
    let scalars = (any::<(i8, i16, i32, i64, i128)>(), any::<(u8, u16, u32, u64, u128)>());
    let float = any::<f64>().prop_filter("JSON has no infinities", |float| float.is_finite());
    let text = (any::<char>(), any::<String>(), vec(any::<u8>(), 0..40));
    let parts = (btree_map(any::<u32>(), any::<String>(), 0..4), vec(kind(), 0..4), point);
    let rest = (any::<Result<u16, String>>(), any::<IpAddr>());
    (scalars, float, text, parts, rest).prop_map(|(scalars, float, text, parts, rest)| Everything {
        integers: scalars.0,
        naturals: scalars.1,
        float,
        letter: text.0,
        text: text.1,
        bytes: text.2,
        map: parts.0,
        kinds: parts.1,
        maybe: parts.2,
        outcome: rest.0,
        address: rest.1,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_back(value in everything()) {
        comes_back(&value);
    }

    // Without `letter` and `address`: serde-zap writes a char as a number, and calls itself human-readable.
    #[test]
    #[cfg(feature = "bincode")]
    fn another_implementation_writes_the_same_bytes(value in everything()) {
        let Everything { integers, naturals, float, text, bytes, map, kinds, maybe, outcome, .. } = value;
        let value = (integers, naturals, float, text, bytes, map, kinds, maybe, outcome);
        let theirs = serde_zap::to_vec(&value).unwrap();
        prop_assert_eq!(encoded(Codec::Bincode, &value), theirs);
    }

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        for &codec in Codec::ALL {
            let _ = decoded::<Everything>(codec, &bytes);
            let _ = decoded::<Vec<Kind>>(codec, &bytes);
            let _ = decoded::<Expr>(codec, &bytes);
        }
    }

    #[test]
    fn a_flipped_bit_ends_in_a_value_or_an_error(value in everything(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        for &codec in Codec::ALL {
            let mut bytes = encoded(codec, &value);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            let _ = decoded::<Everything>(codec, &bytes);
        }
    }
}
