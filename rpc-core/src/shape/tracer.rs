//! A deserializer that has no bytes: it notes what a type asks for, and answers with samples.
//!
//! One attempt sees one variant of each enum and stops where a sample is refused, so a type is read again and again
//! until nothing new shows. What is known already is passed over quickly: `None`, an empty sequence, a variant that
//! has worked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::access::{Entry, Enumeration, Items, Repeated, read_fields};
use super::registry::{Kind, Registry, Shape};
use crate::limits::{DECODE_DEPTH, MAX_SHAPE_STEPS, MAX_SHAPE_TUPLE, SHAPE_SAMPLES};

/// Texts that a type may like better than an empty one.
const TEXTS: [&str; SHAPE_SAMPLES] = ["", "a", "1", "2000-01-01T00:00:00Z", "127.0.0.1", "a://b/"];

/// Sizes of bytes that a type may like.
const SIZES: [usize; SHAPE_SAMPLES] = [0, 1, 16, 4, 32, 12];

/// Numbers that a type may like.
const NUMBERS: [u8; SHAPE_SAMPLES] = [1, 0, 2, 10, 100, 3];

/// A sample was refused, or a bound reached. Nobody reads why.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample was refused")
    }
}

impl std::error::Error for Refused {}

impl Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Refused
    }
}

/// What an attempt knows and finds out.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) registry: Registry,
    steps: usize,
    sample: usize,
    /// Something new has shown.
    pub(super) progress: bool,
    /// Inside a type that is being read already: nothing is explored there.
    pub(super) making: usize,
}

impl Trace {
    /// The shape of what `seed` reads.
    pub(super) fn shape<S>(&mut self, seed: S) -> Shape
    where
        S: DeserializeSeed<'static> + Copy,
    {
        let mut shape = Shape::Unknown;
        let mut stalled = 0;
        (self.steps, self.sample) = (0, 0);
        while stalled <= 8 * SHAPE_SAMPLES && self.steps < MAX_SHAPE_STEPS {
            (self.progress, self.making) = (false, 0);
            let attempt = || drop(self.read(seed, &mut shape, 0));
            let is_whole = catch_unwind(AssertUnwindSafe(attempt)).is_ok();
            self.registry.settle();
            if !is_whole || !self.registry.wants(&shape) {
                break;
            }
            if self.progress {
                stalled = 0;
            } else {
                stalled += 1;
                self.sample = (self.sample + 1) % SHAPE_SAMPLES;
            }
        }
        shape
    }

    /// Reads one part of a value, and notes its shape in `at`, which holds what is known of it.
    pub(super) fn read<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
        at: &mut Shape,
        depth: u32,
    ) -> Result<S::Value, Refused> {
        self.steps += 1;
        if depth > DECODE_DEPTH || self.steps > MAX_SHAPE_STEPS {
            return Err(Refused);
        }
        let value = seed.deserialize(Tracer { trace: self, at, depth })?;
        if *at == Shape::Unknown {
            // It read nothing, so it takes no bytes.
            self.learn(at, Shape::Leaf("()"));
        }
        Ok(value)
    }

    pub(super) fn wants(&self, shape: &Shape) -> bool {
        self.making == 0 && self.registry.wants(shape)
    }

    fn learn(&mut self, at: &mut Shape, shape: Shape) {
        if *at == Shape::Unknown {
            *at = shape;
            self.progress = true;
        }
    }
}

/// Stands where one part of a value is read.
pub(super) struct Tracer<'a> {
    trace: &'a mut Trace,
    at: &'a mut Shape,
    depth: u32,
}

impl Tracer<'_> {
    fn leaf(&mut self, name: &'static str) {
        self.trace.learn(self.at, Shape::Leaf(name));
    }

    fn number(&self) -> u8 {
        NUMBERS[self.trace.sample]
    }

    fn opaque<'v, V: Visitor<'v>>(&mut self, visitor: &V) {
        if *self.at == Shape::Unknown {
            self.trace.learn(self.at, Shape::Opaque(Expecting(visitor).to_string()));
        }
    }

    /// A type that has a name.
    fn named<V, R>(
        self,
        name: &'static str,
        kind: Kind,
        names: &'static [&'static str],
        read: impl FnOnce(&mut Trace, usize, u32) -> Result<R, Refused>,
    ) -> Result<R, Refused>
    where
        V: Visitor<'static>,
    {
        let Tracer { trace, at, depth } = self;
        let id = trace.registry.place(std::any::type_name::<V::Value>(), name, kind, names);
        trace.learn(at, Shape::Named(id));
        let def = &mut trace.registry.defs[id];
        if def.active && def.good.is_none() {
            return Err(Refused);
        }
        let was_active = std::mem::replace(&mut def.active, true);
        trace.making += usize::from(was_active);
        let result = read(trace, id, depth);
        trace.making -= usize::from(was_active);
        trace.registry.defs[id].active = was_active;
        result
    }
}

/// What a visitor says it expects.
struct Expecting<'a, V>(&'a V);

impl<'v, V: Visitor<'v>> fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $name:literal)*) => {
        $(fn $method<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            self.leaf($name);
            visitor.$visit(self.number().into())
        })*
    };
}

impl Deserializer<'static> for Tracer<'_> {
    type Error = Refused;

    numbers! {
        deserialize_u8 visit_u8 "u8"
        deserialize_u16 visit_u16 "u16"
        deserialize_u32 visit_u32 "u32"
        deserialize_u64 visit_u64 "u64"
        deserialize_u128 visit_u128 "u128"
        deserialize_i16 visit_i16 "i16"
        deserialize_i32 visit_i32 "i32"
        deserialize_i64 visit_i64 "i64"
        deserialize_i128 visit_i128 "i128"
        deserialize_f32 visit_f32 "f32"
        deserialize_f64 visit_f64 "f64"
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_i8<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("i8");
        visitor.visit_i8(i8::try_from(self.number()).unwrap_or(1))
    }

    fn deserialize_bool<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("bool");
        visitor.visit_bool(self.number() != 0)
    }

    fn deserialize_char<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("char");
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("string");
        visitor.visit_borrowed_str(TEXTS[self.trace.sample])
    }

    fn deserialize_string<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("bytes");
        visitor.visit_borrowed_bytes(&[0; 32][..SIZES[self.trace.sample]])
    }

    fn deserialize_byte_buf<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("()");
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.opaque(&visitor);
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'static>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.leaf("identifier");
        visitor.visit_u64(0)
    }

    fn deserialize_option<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Tracer { trace, at, depth } = self;
        trace.learn(at, Shape::Option(Box::default()));
        match at {
            Shape::Option(inner) if trace.wants(inner) => {
                trace.steps += 1;
                if depth > DECODE_DEPTH {
                    return Err(Refused);
                }
                visitor.visit_some(Tracer { trace, at: inner, depth: depth + 1 })
            }
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_seq<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Tracer { trace, at, depth } = self;
        trace.learn(at, Shape::Seq(Box::default()));
        let Shape::Seq(item) = at else { return Err(Refused) };
        let left = usize::from(trace.wants(item));
        visitor.visit_seq(Repeated { trace, item, left, depth })
    }

    fn deserialize_map<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Tracer { trace, at, depth } = self;
        let name = (*at == Shape::Unknown).then(|| Expecting(&visitor).to_string());
        trace.learn(at, Shape::Map(Box::default()));
        let Shape::Map(pair) = at else { return Err(Refused) };
        let left = trace.wants(&pair.0) || trace.wants(&pair.1);
        let result = visitor.visit_map(Entry { trace, pair, left, depth });
        // A struct that is read as a map (`flatten`) sorts its keys itself.
        if pair.0 == Shape::Leaf("identifier") {
            *at = Shape::Opaque(name.unwrap_or_default());
        }
        result
    }

    fn deserialize_tuple<V: Visitor<'static>>(mut self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        if len > MAX_SHAPE_TUPLE {
            self.opaque(&visitor);
            return Err(Refused);
        }
        let Tracer { trace, at, depth } = self;
        if *at == Shape::Unknown {
            trace.learn(at, Shape::Tuple(vec![Shape::Unknown; len]));
        }
        let Shape::Tuple(items) = at else { return Err(Refused) };
        visitor.visit_seq(Items { trace, items: items.iter_mut(), depth })
    }

    fn deserialize_unit_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.named::<V, _>(name, Kind::Struct, &[], |trace, id, _| {
            trace.is_unit(id, 0);
            trace.made(id, 0, visitor.visit_unit())
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.named::<V, _>(name, Kind::Struct, &[], |trace, id, depth| {
            trace.has_places(id, 0, 1);
            let value = trace.around_field(id, 0, 0, |trace, at| {
                visitor.visit_newtype_struct(Tracer { trace, at, depth: depth + 1 })
            });
            trace.made(id, 0, value)
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.named::<V, _>(name, Kind::Struct, &[], |trace, id, depth| {
            trace.has_places(id, 0, len);
            let value = read_fields(trace, id, 0, depth, visitor);
            trace.made(id, 0, value)
        })
    }

    fn deserialize_struct<V: Visitor<'static>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.named::<V, _>(name, Kind::Struct, &[], |trace, id, depth| {
            trace.has_names(id, 0, fields);
            let value = read_fields(trace, id, 0, depth, visitor);
            trace.made(id, 0, value)
        })
    }

    fn deserialize_enum<V: Visitor<'static>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let sample = self.trace.sample;
        self.named::<V, _>(name, Kind::Enum, variants, |trace, id, depth| {
            let index = trace.choose(id, sample).ok_or(Refused)?;
            let before = std::mem::replace(&mut trace.progress, false);
            let value = visitor.visit_enum(Enumeration { trace, id, index, depth });
            let variant = &mut trace.registry.defs[id].variants[index];
            let is_stuck = value.is_err() && !trace.progress;
            variant.fails = if is_stuck { variant.fails.saturating_add(1) } else { 0 };
            trace.progress |= before;
            trace.made(id, index, value)
        })
    }
}
