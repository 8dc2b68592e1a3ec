//! Which encoding a type gets, and that the choice does not matter to the other side.

use std::borrow::Cow;

use serde::de::DeserializeSeed;

use super::*;
use crate::message::Apart;

type Blob = Vec<u8>;

fn limits(bytes: &[u8]) -> DecodeLimits {
    DecodeLimits::for_message(bytes.len())
}

fn read<'de, S: DeserializeSeed<'de>>(codec: Codec, seed: S, bytes: &'de [u8]) -> S::Value {
    decode(codec, seed, bytes, limits(bytes)).unwrap_or_else(|error| panic!("{codec:?}: {error}"))
}

#[test]
#[expect(clippy::needless_borrow, reason = "stubs do not know which of the tries will be taken")]
fn bytes_are_bulk_by_type_and_everything_else_is_plain() {
    let blob: Blob = vec![1, 2, 3];
    let slice: &[u8] = &blob;
    let by_reference: &Blob = &blob;
    let _: [Bulk<'_>; 4] = [
        (&&Arg(&blob)).encoding(),
        (&&Arg(&slice)).encoding(),
        (&&Arg(slice)).encoding(),
        (&&Arg(&by_reference)).encoding(),
    ];
    let _: Plain<'_, Vec<i8>> = (&&Arg(&vec![1i8])).encoding();
    let _: Plain<'_, str> = (&&Arg("text")).encoding();
    let _: Plain<'_, Option<Blob>> = (&&Arg(&Some(blob.clone()))).encoding();
    let _: BulkSeed = (&&Tag::<Blob>::new()).seed();
    let _: PlainSeed<Vec<i8>> = (&&Tag::<Vec<i8>>::new()).seed();
}

#[test]
fn bulk_and_plain_bytes_read_each_other() {
    let blob: Blob = (0..=255).cycle().take(1_000).collect();
    for &codec in Codec::ALL {
        let bulk = encoded(codec, &Bulk(&blob));
        let plain = encoded(codec, &blob);
        for bytes in [&bulk, &plain] {
            assert_eq!(read(codec, BulkSeed, bytes), blob, "{codec:?}");
            assert_eq!(read(codec, PlainSeed::<Blob>::new(), bytes), blob, "{codec:?}");
            assert_eq!(read(codec, BytesSeed, bytes), blob, "{codec:?}");
        }
        if ["bincode", "postcard"].contains(&codec.name()) {
            assert_eq!(bulk, plain, "{codec:?}");
        }
    }
}

#[test]
fn text_and_bytes_are_borrowed() {
    for &codec in Codec::ALL {
        let text = encoded(codec, "text");
        assert!(matches!(read(codec, StrSeed, &text), Cow::Borrowed("text")), "{codec:?}");
        let bytes = encoded(codec, &Bulk(b"bytes"));
        let back = read(codec, BytesSeed, &bytes);
        assert_eq!(matches!(back, Cow::Borrowed(_)), codec.name() != "json", "{codec:?}");
    }
}

#[test]
fn references_inside_values_are_borrowed() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line<'a> {
        text: &'a str,
    }
    for &codec in Codec::ALL {
        let bytes = encoded(codec, &Line { text: "text" });
        assert_eq!(read(codec, PlainSeed::<Line<'_>>::new(), &bytes), Line { text: "text" }, "{codec:?}");
    }
}

#[test]
fn options_of_borrows_come_back() {
    for &codec in Codec::ALL {
        let some = encoded(codec, &Some("text"));
        assert_eq!(read(codec, OptionSeed(StrSeed), &some).as_deref(), Some("text"), "{codec:?}");
        let none = encoded(codec, &None::<&str>);
        assert_eq!(read(codec, OptionSeed(StrSeed), &none), None, "{codec:?}");
        let bytes = encoded(codec, &Some(Bulk(b"ab")));
        assert_eq!(read(codec, OptionSeed(BytesSeed), &bytes).as_deref(), Some(&b"ab"[..]), "{codec:?}");
    }
}

#[test]
fn argument_lists_of_every_length_come_back() {
    for &codec in Codec::ALL {
        let mut buf = Vec::new();
        ().encode(codec, &mut buf).unwrap();
        assert_eq!(buf.is_empty(), ["bincode", "postcard"].contains(&codec.name()), "{codec:?}");
        ().decode(codec, &buf, limits(&buf)).unwrap();

        buf.clear();
        (Plain(&7u8),).encode(codec, &mut buf).unwrap();
        assert_eq!((PlainSeed::<u8>::new(),).decode(codec, &buf, limits(&buf)).unwrap(), (7,), "{codec:?}");

        buf.clear();
        let (number, blob) = (-5i64, vec![9u8; 300]);
        (Plain(&number), Bulk(&blob), Plain("name")).encode(codec, &mut buf).unwrap();
        let seeds = (PlainSeed::<i64>::new(), BulkSeed, StrSeed);
        let (back, bytes, name) = seeds.decode(codec, &buf, limits(&buf)).unwrap();
        assert_eq!((back, bytes, &*name), (number, blob, "name"), "{codec:?}");

        buf.clear();
        let p = Plain(&1u16);
        (p, p, p, p, p, p, p, p, p, p, p, p, p, p, p, p).encode(codec, &mut buf).unwrap();
        let s = PlainSeed::<u16>::new;
        let sixteen = (s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s(), s());
        assert_eq!(sixteen.decode(codec, &buf, limits(&buf)).unwrap().15, 1, "{codec:?}");
    }
}

#[test]
fn a_list_with_an_argument_too_few_or_too_many_is_an_error() {
    for &codec in Codec::ALL {
        let mut buf = Vec::new();
        (Plain(&1u8), Plain(&2u8)).encode(codec, &mut buf).unwrap();
        let one = || PlainSeed::<u8>::new();
        assert!((one(),).decode(codec, &buf, limits(&buf)).is_err(), "{codec:?}");
        assert!((one(), one(), one()).decode(codec, &buf, limits(&buf)).is_err(), "{codec:?}");
        assert!(().decode(codec, &buf, limits(&buf)).is_err(), "{codec:?}");
    }
}

#[test]
fn room_for_bytes_is_made_once() {
    let blob = vec![0; 100_000];
    for &codec in Codec::ALL.iter().filter(|codec| codec.name() != "json") {
        let mut buf = Vec::new();
        (Plain(&1u8), Bulk(&blob)).encode(codec, &mut buf).unwrap();
        assert!(buf.capacity() < 101_000, "{codec:?}: {}", buf.capacity());
    }
}

#[test]
#[expect(clippy::needless_borrow, reason = "stubs do not know which of the tries will be taken")]
fn large_bytes_that_are_given_away_are_not_copied_and_read_as_if_they_had_been() {
    for codec in Codec::ALL.iter().copied() {
        for size in [0, 1, 16 * 1024 - 1, 16 * 1024, 70_000] {
            let bytes = vec![7; size];
            let at = bytes.as_ptr();
            let value = (&&Tag::of(&bytes)).given(bytes);
            let mut usual = Vec::new();
            value.encode(codec, &mut usual).unwrap();
            let is_given = size >= 16 * 1024 && ["bincode", "postcard"].contains(&codec.name());
            match value.into_bytes(codec) {
                Ok((front, bytes)) => {
                    assert_eq!((is_given, bytes.as_ptr()), (true, at));
                    assert!([front, bytes].concat() == usual, "{size} bytes in {}", codec.name());
                }
                Err(_) => assert!(!is_given, "{size} bytes in {}", codec.name()),
            }
        }
        let words = vec![1_u16; 20_000];
        assert!((&&Tag::of(&words)).given(words).into_bytes(codec).is_err());
    }
}

#[test]
fn bytes_that_lie_apart_are_taken_as_they_are_if_nothing_else_stands_in_front_of_them() {
    for codec in Codec::ALL.iter().copied() {
        let take = |front: &[u8], bytes: Vec<u8>| {
            let mut apart = Apart { front: front.to_vec(), bytes };
            let taken = BulkSeed.take(codec, &mut apart);
            assert!(taken.is_some() || apart.front == front, "what is not taken stays");
            taken
        };
        let bytes = vec![7; 70_000];
        let (at, mut whole) = (bytes.as_ptr(), Vec::new());
        encode(codec, &Bulk(&bytes), &mut whole).unwrap();
        let front = whole[..whole.len() - bytes.len()].to_vec();
        let is_bytes = ["bincode", "postcard"].contains(&codec.name());
        assert_eq!(take(&front, bytes).map(|taken| taken.as_ptr()), is_bytes.then_some(at), "{codec:?}");
        assert_eq!(take(&front, vec![7; 69_999]), None, "{codec:?}: not as many as it says");
        assert_eq!(take(&whole[..front.len() + 1], whole[front.len() + 1..].to_vec()), None, "{codec:?}");
        assert_eq!(take(&whole[..1], whole[1..].to_vec()), None, "{codec:?}");
        assert_eq!(take(b"", whole.clone()), None, "{codec:?}");
        assert!(
            PlainSeed::<Vec<u8>>::new().take(codec, &mut Apart { front, bytes: vec![7; 70_000] }).is_none()
        );
    }
}
