//! What is known of types so far: shapes, and the named types that they refer to.

use std::collections::HashMap;

use crate::limits::SHAPE_SAMPLES;

/// What a value looks like.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) enum Shape {
    /// Nobody has looked yet, or nobody could.
    #[default]
    Unknown,
    Leaf(&'static str),
    /// It cannot be traced; what it calls itself.
    Opaque(String),
    Option(Box<Shape>),
    Seq(Box<Shape>),
    Map(Box<(Shape, Shape)>),
    Tuple(Vec<Shape>),
    /// A named type, by its place in the registry.
    Named(usize),
}

/// What serde calls a named type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Struct,
    Enum,
}

/// One part of a struct or variant.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// Empty where parts have places instead of names.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// Attempts in a row that failed here and showed nothing new.
    pub(super) fails: usize,
    /// Another name of a field that is listed already.
    pub(super) is_alias: bool,
}

/// What stands behind the name of a struct or variant.
#[derive(Debug, Default)]
pub(super) enum Body {
    #[default]
    Unknown,
    /// The type refuses to read this variant.
    Refused,
    Unit,
    Places(Vec<Field>),
    Names(Vec<Field>),
}

impl Body {
    pub(super) fn fields(&self) -> &[Field] {
        match self {
            Body::Places(fields) | Body::Names(fields) => fields,
            _ => &[],
        }
    }

    pub(super) fn fields_mut(&mut self) -> &mut [Field] {
        match self {
            Body::Places(fields) | Body::Names(fields) => fields,
            _ => &mut [],
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) body: Body,
    /// As of a field.
    pub(super) fails: usize,
    /// Its fields must be read by place, though they have names.
    pub(super) by_place: bool,
}

/// A named type.
#[derive(Debug)]
pub(super) struct Def {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One for a struct.
    pub(super) variants: Vec<Variant>,
    /// It is being read: what is found inside it is itself.
    pub(super) active: bool,
    /// There is something left to look at.
    pub(super) open: bool,
    /// The first variant of which a value could be made. What it is made of was made before, so that making it again
    /// comes to an end.
    pub(super) good: Option<usize>,
}

/// The named types of one service. Rust's own name tells apart what serde gives one name: `Page<u8>` and `Page<Line>`.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) defs: Vec<Def>,
    places: HashMap<(&'static str, &'static str, Kind), usize>,
}

impl Registry {
    /// The place of a type that is read under this name; `names` are those of an enum's variants.
    pub(super) fn place(
        &mut self,
        rust: &'static str,
        name: &'static str,
        kind: Kind,
        names: &[&'static str],
    ) -> usize {
        *self.places.entry((rust, name, kind)).or_insert_with(|| {
            let variants = match kind {
                Kind::Struct => vec![Variant::default()],
                Kind::Enum => names.iter().map(|name| Variant { name, ..Variant::default() }).collect(),
            };
            self.defs.push(Def { name, kind, variants, active: false, open: true, good: None });
            self.defs.len() - 1
        })
    }

    /// Whether something is left to look at, outside of what is being read.
    pub(super) fn wants(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Unknown => true,
            Shape::Leaf(_) | Shape::Opaque(_) => false,
            Shape::Option(inner) | Shape::Seq(inner) => self.wants(inner),
            Shape::Map(pair) => self.wants(&pair.0) || self.wants(&pair.1),
            Shape::Tuple(items) => items.iter().any(|item| self.wants(item)),
            Shape::Named(id) => {
                let def = &self.defs[*id];
                def.open && !def.active
            }
        }
    }

    /// Whether something is left to look at in a field or variant that may still give way.
    pub(super) fn wants_field(&self, field: &Field) -> bool {
        !field.is_alias && field.fails <= SHAPE_SAMPLES && self.wants(&field.shape)
    }

    pub(super) fn wants_variant(&self, variant: &Variant) -> bool {
        variant.fails <= SHAPE_SAMPLES
            && match &variant.body {
                Body::Unknown => true,
                body => body.fields().iter().any(|field| self.wants_field(field)),
            }
    }

    /// Between two attempts: nothing is being read, and what is open follows from what is known.
    pub(super) fn settle(&mut self) {
        for def in &mut self.defs {
            def.active = false;
            def.open = false;
        }
        loop {
            let is_open =
                |def: &Def| !def.open && def.variants.iter().any(|variant| self.wants_variant(variant));
            let open: Vec<usize> =
                self.defs.iter().enumerate().filter(|(_, def)| is_open(def)).map(|(id, _)| id).collect();
            if open.is_empty() {
                return;
            }
            for id in open {
                self.defs[id].open = true;
            }
        }
    }
}
