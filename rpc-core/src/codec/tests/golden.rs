//! The bytes of the default codec, as they are documented.

#![cfg(feature = "bincode")]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

#[derive(Serialize)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Serialize)]
struct Meters(u32);

#[derive(Serialize)]
enum Shape {
    Nothing,
    Circle(u8),
    Line(u8, u8),
    Box { width: u8 },
}

fn row<T: Serialize + ?Sized>(what: &str, value: &T, golden: &[u8]) {
    assert_eq!(encoded(Codec::Bincode, value), golden, "{what}");
}

#[test]
fn golden_bytes_of_bincode() {
    let pairs = BTreeMap::from([(1u8, "a"), (2, "b")]);
    // A u8, i8 or bool is one byte; other integers are short if they are small, else a mark and the whole.
    row("true", &true, &[1]);
    row("200u8", &200u8, &[200]);
    row("-1i8", &-1i8, &[255]);
    row("250u32", &250u32, &[250]);
    row("251u32", &251u32, &[251, 251, 0]);
    row("65535u64", &65_535u64, &[251, 255, 255]);
    row("65536u64", &65_536u64, &[252, 0, 0, 1, 0]);
    row("2^32 u64", &(1u64 << 32), &[253, 0, 0, 0, 0, 1, 0, 0, 0]);
    row("2^64 u128", &(1u128 << 64), &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // Signed ones are folded first: 0, -1, 1, -2, 2, ...
    row("0i64", &0i64, &[0]);
    row("-1i64", &-1i64, &[1]);
    row("1i64", &1i64, &[2]);
    row("-126i64", &-126i64, &[251, 251, 0]);
    row("i64::MIN", &i64::MIN, &[253, 255, 255, 255, 255, 255, 255, 255, 255]);
    // Floats are IEEE 754, little-endian; a char is UTF-8.
    row("1.0f32", &1.0f32, &[0, 0, 128, 63]);
    row("-2.5f64", &-2.5f64, &[0, 0, 0, 0, 0, 0, 4, 192]);
    row("'a'", &'a', &[97]);
    row("'€'", &'€', &[226, 130, 172]);
    // Strings, bytes, sequences and maps begin with their length; arrays, tuples and structs do not.
    row("\"abc\"", "abc", &[3, 97, 98, 99]);
    row("bytes", &Bulk(&[1, 255]), &[2, 1, 255]);
    row("vec of u8", &vec![1u8, 255], &[2, 1, 255]);
    row("vec of u16", &vec![1u16, 300], &[2, 1, 251, 44, 1]);
    row("array", &[1u16, 300], &[1, 251, 44, 1]);
    row("map", &pairs, &[2, 1, 1, 97, 2, 1, 98]);
    row("tuple", &(1u8, -1i32, "a"), &[1, 1, 1, 97]);
    row("struct", &Point { x: 1, y: -2 }, &[2, 3]);
    row("newtype", &Meters(7), &[7]);
    row("unit", &(), &[]);
    // An option is 0, or 1 and the value; an enum is its variant's number and what it holds.
    row("None", &None::<u8>, &[0]);
    row("Some(5u8)", &Some(5u8), &[1, 5]);
    row("unit variant", &Shape::Nothing, &[0]);
    row("newtype variant", &Shape::Circle(9), &[1, 9]);
    row("tuple variant", &Shape::Line(8, 9), &[2, 8, 9]);
    row("struct variant", &Shape::Box { width: 4 }, &[3, 4]);
    row("Ok(1u8)", &Ok::<u8, u8>(1), &[0, 1]);
    row("Err(2u8)", &Err::<u8, u8>(2), &[1, 2]);
    row("1.5 s", &Duration::from_millis(1_500), &[1, 252, 0, 101, 205, 29]);
}

#[test]
fn golden_bytes_of_argument_lists() {
    let mut buf = Vec::new();
    ().encode(Codec::Bincode, &mut buf).unwrap();
    assert!(buf.is_empty());
    (Plain(&2i64), Plain(&3i64)).encode(Codec::Bincode, &mut buf).unwrap();
    assert_eq!(buf, [4, 6]);
}
