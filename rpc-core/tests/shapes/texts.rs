//! The text of one type after another.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use farcall_core::__private::{BulkSeed, BytesSeed, OptionSeed, PlainSeed, Shapes, StrSeed};
use serde::{Deserialize, Deserializer};

use super::text;

#[derive(Deserialize)]
struct Point {
    _x: f64,
    _y: f64,
}

#[derive(Deserialize)]
struct Unit;

#[derive(Deserialize)]
struct Meters(#[expect(dead_code, reason = "only its type matters")] u32);

#[derive(Deserialize)]
#[expect(dead_code, reason = "only their types matter")]
struct Pair(u8, String);

#[derive(Deserialize)]
#[expect(dead_code, reason = "only their types matter")]
enum Figure {
    Empty,
    Circle(Point, f64),
    Named { name: String, at: Option<Point> },
    Many(Vec<Figure>),
    Twice(Box<Figure>, Box<Figure>),
}

#[derive(Deserialize)]
struct List {
    _next: Option<Box<List>>,
    _value: u32,
}

#[derive(Deserialize)]
struct Page<T> {
    _items: Vec<T>,
    _more: bool,
}

#[derive(Deserialize)]
struct Tree {
    _kids: Vec<Tree>,
    _by_name: HashMap<String, Tree>,
    _label: Figure,
}

#[derive(Deserialize)]
struct Left {
    _right: Option<Box<Right>>,
    _also: u8,
}

#[derive(Deserialize)]
struct Right {
    _left: Vec<Left>,
    _point: Point,
}

/// As a type that reads a time in words.
struct Instant;

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("31st of June") { Ok(Instant) } else { Err(serde::de::Error::custom("no time")) }
    }
}

#[derive(Deserialize)]
struct Dated {
    _from: Instant,
    _until: Option<Instant>,
    _what: Figure,
    _count: u16,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only their types matter")]
enum Event {
    At(Instant, u32),
    Plain { when: Instant, what: u8 },
    Last(u64),
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Email;

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.contains("@example") { Ok(Email) } else { Err("no address") }
    }
}

#[test]
fn primitives_are_called_as_in_rust() {
    assert_eq!(text::<(u8, i8, u16, i16, u32, i32)>(), "(u8,i8,u16,i16,u32,i32)");
    assert_eq!(text::<(u64, i64, u128, i128, f32, f64)>(), "(u64,i64,u128,i128,f32,f64)");
    assert_eq!(text::<(bool, char, String, ())>(), "(bool,char,string,())");
}

#[test]
fn what_rust_wraps_does_not_count() {
    type Alias = Box<Cow<'static, str>>;
    assert_eq!(text::<Alias>(), "string");
    assert_eq!(text::<(usize, isize, NonZeroU8)>(), "(u64,i64,u8)");
    assert_eq!(text::<std::num::Wrapping<std::cell::Cell<u8>>>(), "u8");
}

#[test]
fn collections_are_options_sequences_maps_and_tuples() {
    assert_eq!(text::<Option<Vec<u32>>>(), "[u32]?");
    assert_eq!(text::<(VecDeque<bool>, BTreeSet<char>)>(), "([bool],[char])");
    assert_eq!(text::<BTreeMap<String, Vec<Option<i8>>>>(), "{string,[i8?]}");
    assert_eq!(text::<[u16; 32]>(), "(u16*32)");
    assert_eq!(text::<[u16; 0]>(), "()");
    assert_eq!(text::<Vec<u8>>(), "bytes");
    assert_eq!(text::<Result<u8, String>>(), "Result<Ok(u8),Err(string)>");
}

#[test]
fn borrowed_and_owned_arguments_are_alike() {
    let borrowed = Shapes::trace(&[|method| {
        let method = method.argument("a", StrSeed).argument("b", BytesSeed);
        method.argument("c", OptionSeed(StrSeed)).argument("d", OptionSeed(BytesSeed)).value(BulkSeed)
    }]);
    let owned = Shapes::trace(&[|method| {
        let method = method.argument("w", PlainSeed::<String>::new()).argument("x", BulkSeed);
        let method = method.argument("y", PlainSeed::<Option<String>>::new());
        method.argument("z", PlainSeed::<Option<Vec<u8>>>::new()).value(PlainSeed::<Vec<u8>>::new())
    }]);
    assert_eq!(borrowed.text(0, 100), "(string,bytes,string?,bytes?)->bytes");
    assert_eq!(borrowed.text(0, 100), owned.text(0, 100));
    assert_eq!(borrowed.fingerprint(0), owned.fingerprint(0));
}

#[test]
fn structs_have_names_and_named_fields() {
    assert_eq!(text::<Point>(), "Point{_x:f64,_y:f64}");
    assert_eq!(text::<(Unit, Meters, Pair)>(), "(Unit,Meters(u32),Pair(u8,string))");
}

#[test]
fn enums_have_all_their_variants() {
    let figure = "Figure<Empty,Circle(Point{_x:f64,_y:f64},f64),\
                  Named{name:string,at:Point{_x:f64,_y:f64}?},Many([Figure^]),Twice(Figure^,Figure^)>";
    assert_eq!(text::<Figure>(), figure);
}

#[test]
fn recursion_is_by_name() {
    assert_eq!(text::<List>(), "List{_next:List^?,_value:u32}");
    let tree = text::<Tree>();
    assert!(tree.starts_with("Tree{_kids:[Tree^],_by_name:{string,Tree^},_label:Figure<Empty,"), "{tree}");
    assert!(!tree.contains("opaque"), "{tree}");
    assert_eq!(text::<Left>(), "Left{_right:Right{_left:[Left^],_point:Point{_x:f64,_y:f64}}?,_also:u8}");
}

#[test]
fn generic_types_are_told_apart() {
    let nested = "Page{_items:[Page{_items:[u32],_more:bool}],_more:bool}";
    assert_eq!(text::<Page<Page<u32>>>(), nested);
    assert_eq!(
        text::<(Page<u8>, Page<char>)>(),
        "(Page{_items:bytes,_more:bool},Page{_items:[char],_more:bool})"
    );
}

#[test]
fn types_of_the_standard_library_are_seen_as_they_travel() {
    assert_eq!(text::<Duration>(), "Duration{secs:u64,nanos:u32}");
    assert_eq!(text::<SystemTime>(), "SystemTime{secs_since_epoch:u64,nanos_since_epoch:u32}");
    assert_eq!(text::<PathBuf>(), "string");
    assert_eq!(text::<IpAddr>(), "IpAddr<V4((u8*4)),V6((u8*16))>");
    assert!(text::<SocketAddr>().starts_with("SocketAddr<V4(((u8*4),u16))"));
    assert_eq!(text::<std::ops::Range<u8>>(), "Range{start:u8,end:u8}");
}

#[test]
fn a_type_that_refuses_every_sample_hides_no_other_field() {
    let dated = text::<Dated>();
    assert!(dated.starts_with("Dated{_from:string,_until:string?,_what:Figure<Empty,"), "{dated}");
    assert!(dated.ends_with(",_count:u16}") && !dated.contains("opaque"), "{dated}");
    assert_eq!(text::<(u8, Email)>(), "(u8,string)");
}

#[test]
fn what_stands_behind_a_refusal_in_a_tuple_is_opaque() {
    assert_eq!(text::<Event>(), "Event<At(string,opaque),Plain{when:string,what:u8},Last(u64)>");
}

#[test]
fn serde_attributes_show_as_they_travel() {
    #[derive(Deserialize)]
    #[serde(rename = "store.Item", rename_all = "camelCase")]
    struct Item {
        _some_name: u8,
        #[serde(rename = "two words")]
        _b: u8,
        #[serde(default)]
        _c: u8,
        #[serde(skip)]
        _d: u8,
        #[serde(default, alias = "old")]
        _e: char,
    }
    let item = text::<Item>();
    assert!(item.starts_with("store%2e;Item{someName:u8,two%20;words:u8,c:u8,"), "{item}");
    assert!(!item.contains("d:") && item.matches("char").count() == 1, "{item}");

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Clear {
        _inner: u16,
    }
    assert_eq!(text::<Clear>(), "u16");
}

#[test]
fn what_describes_itself_is_opaque() {
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only their types matter")]
    enum Any {
        Number(u8),
        Text(String),
    }
    #[derive(Deserialize)]
    struct Flat {
        _a: u8,
        #[serde(flatten)]
        _point: Point,
    }
    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    #[expect(dead_code, reason = "only their types matter")]
    enum Tagged {
        Number { a: u8 },
    }
    for text in [text::<Any>(), text::<Flat>(), text::<Tagged>()] {
        assert!(text.starts_with("opaque("), "{text}");
    }
    assert_eq!(super::fingerprint::<Any>(), super::fingerprint::<Flat>());
    assert!(text::<(u8, Flat, u16)>().starts_with("(u8,opaque("));
}

#[test]
fn a_panic_while_tracing_is_caught() {
    struct Mine;
    impl<'de> Deserialize<'de> for Mine {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = u8::deserialize(deserializer)?;
            assert!(number > 200, "a sample: {number}");
            Ok(Mine)
        }
    }
    assert_eq!(text::<(Mine, u8)>(), "(u8,opaque)");
}

#[test]
fn large_enums_and_deep_types_are_seen_whole() {
    macro_rules! deep {
        ($($name:ident $inner:ty),*) => {
            $(
                #[derive(Deserialize)]
                struct $name {
                    _a: Option<$inner>,
                    _b: Vec<$inner>,
                }
            )*
        };
    }
    deep!(A Figure, B A, C B, D C, E D, F E);
    let text = text::<F>();
    assert!(!text.contains("opaque") && text.matches("Figure<").count() == 64, "{}", text.len());
}
