//! Many made-up types: each is read as it says, whatever its neighbours refuse, and each change shows.

use std::cell::RefCell;
use std::fmt;

use farcall_core::__private::Shapes;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A type as a value, which reads itself as a derived `Deserialize` would.
#[derive(Clone, Debug, PartialEq)]
enum Type {
    Number,
    Wide,
    Text,
    /// Text of which no sample is ever good.
    Picky,
    Option(Box<Type>),
    Seq(Box<Type>),
    Map(Box<Type>),
    Struct(usize, Vec<Type>),
    Enum(usize, Vec<Type>),
}

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// Types are told apart by their names here, which generics do by Rust's.
const TYPES: [&str; 40] = [
    "T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T13", "T14", "T15",
    "T16", "T17", "T18", "T19", "T20", "T21", "T22", "T23", "T24", "T25", "T26", "T27", "T28", "T29", "T30",
    "T31", "T32", "T33", "T34", "T35", "T36", "T37", "T38", "T39",
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn some(&mut self, depth: usize, names: &mut usize) -> Type {
        let parts = |dice: &mut Self, names: &mut usize, least: usize| {
            (0..least + dice.roll(4)).map(|_| dice.some(depth + 1, names)).collect()
        };
        match self.roll(if depth > 3 || *names + 1 >= TYPES.len() { 4 } else { 12 }) {
            0 => Type::Number,
            1 => Type::Wide,
            2 => Type::Text,
            3 => Type::Picky,
            4 => Type::Option(Box::new(self.some(depth + 1, names))),
            5 => Type::Seq(Box::new(self.some(depth + 1, names))),
            6 => Type::Map(Box::new(self.some(depth + 1, names))),
            7..=9 => {
                *names += 1;
                let name = *names;
                Type::Struct(name, parts(self, names, 0))
            }
            _ => {
                *names += 1;
                let name = *names;
                Type::Enum(name, parts(self, names, 1))
            }
        }
    }
}

impl Type {
    fn text(&self) -> String {
        let fields = |parts: &[Type], sign: &str, end: &str| {
            let part = |(name, part): (&&str, &Type)| format!("{name}{sign}{}{end}", part.text());
            NAMES.iter().zip(parts).map(part).collect::<Vec<_>>().join(",")
        };
        match self {
            Type::Number => "u8".into(),
            Type::Wide => "i64".into(),
            Type::Text | Type::Picky => "string".into(),
            Type::Option(inner) => format!("{}?", inner.text()),
            Type::Seq(inner) if **inner == Type::Number => "bytes".into(),
            Type::Seq(inner) => format!("[{}]", inner.text()),
            Type::Map(inner) => format!("{{u8,{}}}", inner.text()),
            Type::Struct(name, parts) => format!("{}{{{}}}", TYPES[*name], fields(parts, ":", "")),
            Type::Enum(name, parts) => format!("{}<{}>", TYPES[*name], fields(parts, "(", ")")),
        }
    }

    /// Changes the last leaf.
    fn change(&mut self) {
        match self {
            Type::Number => *self = Type::Wide,
            Type::Wide | Type::Text | Type::Picky => *self = Type::Number,
            Type::Option(inner) | Type::Seq(inner) | Type::Map(inner) => inner.change(),
            Type::Struct(_, parts) | Type::Enum(_, parts) => match parts.last_mut() {
                Some(part) => part.change(),
                None => parts.push(Type::Text),
            },
        }
    }
}

#[derive(Clone, Copy)]
struct Reads<'t>(&'t Type);

impl<'de> DeserializeSeed<'de> for Reads<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let names = |parts: &[Type]| &NAMES[..parts.len()];
        match self.0 {
            Type::Number => deserializer.deserialize_u8(self),
            Type::Wide => deserializer.deserialize_i64(self),
            Type::Text | Type::Picky => deserializer.deserialize_string(self),
            Type::Option(_) => deserializer.deserialize_option(self),
            Type::Seq(_) => deserializer.deserialize_seq(self),
            Type::Map(_) => deserializer.deserialize_map(self),
            Type::Struct(name, parts) => deserializer.deserialize_struct(TYPES[*name], names(parts), self),
            Type::Enum(name, parts) => deserializer.deserialize_enum(TYPES[*name], names(parts), self),
        }
    }
}

impl<'de> Visitor<'de> for Reads<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a made-up type")
    }

    fn visit_u8<E: Error>(self, _: u8) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        if *self.0 == Type::Picky { Err(E::custom("not this one")) } else { Ok(()) }
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Type::Option(inner) = self.0 else { return Ok(()) };
        Reads(inner).deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Type::Seq(inner) = self.0 else { return Ok(()) };
        while seq.next_element_seed(Reads(inner))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.0 {
            Type::Map(inner) => {
                while map.next_key::<u8>()?.is_some() {
                    map.next_value_seed(Reads(inner))?;
                }
            }
            Type::Struct(_, parts) => {
                while let Some(key) = map.next_key::<String>()? {
                    let at = NAMES.iter().position(|name| *name == key).expect("a name that was given");
                    map.next_value_seed(Reads(&parts[at]))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<(), A::Error> {
        let Type::Enum(_, parts) = self.0 else { return Ok(()) };
        let (key, variant) = data.variant::<String>()?;
        let at = NAMES.iter().position(|name| *name == key).expect("a name that was given");
        variant.newtype_variant_seed(Reads(&parts[at]))
    }
}

thread_local! {
    static NOW: RefCell<&'static Type> = const { RefCell::new(&Type::Number) };
}

fn shapes(it: &Type) -> Shapes {
    // Types of a program live as long as it does.
    NOW.set(Box::leak(Box::new(it.clone())));
    Shapes::trace(&[|method| {
        let it = NOW.with_borrow(|it| *it);
        method.argument("it", Reads(it)).value(farcall_core::__private::PlainSeed::<()>::new())
    }])
}

#[test]
fn made_up_types_are_read_as_they_are() {
    for seed in 0..2_000 {
        let it = Dice(seed).some(0, &mut 0);
        let shapes = shapes(&it);
        assert_eq!(shapes.text(0, usize::MAX), format!("({})->()", it.text()), "seed {seed}");
    }
}

#[test]
fn a_change_of_the_last_leaf_shows_in_fingerprint_and_sentence() {
    for seed in 0..500 {
        let it = Dice(seed).some(0, &mut 0);
        let mut other = it.clone();
        other.change();
        let (here, there) = (shapes(&it), shapes(&other));
        assert_ne!(here.fingerprint(0), there.fingerprint(0), "seed {seed}");
        let sentence = here.difference(0, &there.text(0, 4096));
        assert!(sentence.starts_with("argument it"), "seed {seed}: {sentence}");
    }
}
