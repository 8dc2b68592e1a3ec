//! Inside a value: the items of sequences, maps and tuples, the fields of structs, the variants of enums.

use std::slice::IterMut;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::registry::{Body, Field, Shape};
use super::tracer::{Refused, Trace};

/// One item, or none where nothing new is expected of it.
pub(super) struct Repeated<'a> {
    pub(super) trace: &'a mut Trace,
    pub(super) item: &'a mut Shape,
    pub(super) left: usize,
    pub(super) depth: u32,
}

impl SeqAccess<'static> for Repeated<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.trace.read(seed, self.item, self.depth + 1).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// One entry, or none.
pub(super) struct Entry<'a> {
    pub(super) trace: &'a mut Trace,
    pub(super) pair: &'a mut (Shape, Shape),
    pub(super) left: bool,
    pub(super) depth: u32,
}

impl MapAccess<'static> for Entry<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'static>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        if !std::mem::take(&mut self.left) {
            return Ok(None);
        }
        self.trace.read(seed, &mut self.pair.0, self.depth + 1).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'static>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        self.trace.read(seed, &mut self.pair.1, self.depth + 1)
    }
}

/// The items of a tuple, which can be read in their order only.
pub(super) struct Items<'a> {
    pub(super) trace: &'a mut Trace,
    pub(super) items: IterMut<'a, Shape>,
    pub(super) depth: u32,
}

impl SeqAccess<'static> for Items<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        match self.items.next() {
            Some(item) => self.trace.read(seed, item, self.depth + 1).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

impl Trace {
    fn body(&mut self, id: usize, variant: usize) -> &mut Body {
        &mut self.registry.defs[id].variants[variant].body
    }

    fn is_body(&mut self, id: usize, variant: usize, make: impl FnOnce() -> Body) {
        let body = self.body(id, variant);
        if matches!(body, Body::Unknown) {
            *body = make();
            self.progress = true;
        }
    }

    pub(super) fn is_unit(&mut self, id: usize, variant: usize) {
        self.is_body(id, variant, || Body::Unit);
    }

    pub(super) fn has_places(&mut self, id: usize, variant: usize, len: usize) {
        self.is_body(id, variant, || {
            Body::Places(
                std::iter::repeat_with(Field::default)
                    .take(len.min(crate::limits::MAX_SHAPE_TUPLE))
                    .collect(),
            )
        });
    }

    pub(super) fn has_names(&mut self, id: usize, variant: usize, names: &[&'static str]) {
        let field = |name: &&'static str| Field { name, ..Field::default() };
        self.is_body(id, variant, || Body::Names(names.iter().map(field).collect()));
    }

    /// A value of this variant was made, or not.
    pub(super) fn made<T>(
        &mut self,
        id: usize,
        variant: usize,
        value: Result<T, Refused>,
    ) -> Result<T, Refused> {
        let good = &mut self.registry.defs[id].good;
        if value.is_ok() && good.is_none() {
            *good = Some(variant);
            self.progress = true;
        }
        value
    }

    /// The variant to read next; `None` for an enum that has none.
    pub(super) fn choose(&self, id: usize, sample: usize) -> Option<usize> {
        let def = &self.registry.defs[id];
        let open =
            def.variants.iter().enumerate().filter(|(_, variant)| self.registry.wants_variant(variant));
        let next = open.min_by_key(|(_, variant)| variant.fails).map(|(index, _)| index);
        let any = sample.checked_rem(def.variants.len());
        if self.making > 0 { def.good.or(any) } else { next.or(def.good).or(any) }
    }

    /// Reads one field through `read`, which notes its shape.
    pub(super) fn around_field<T>(
        &mut self,
        id: usize,
        variant: usize,
        index: usize,
        read: impl FnOnce(&mut Trace, &mut Shape) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let Some(field) = self.body(id, variant).fields().get(index) else { return Err(Refused) };
        let mut shape = field.shape.clone();
        let before = std::mem::replace(&mut self.progress, false);
        let value = read(self, &mut shape);
        if value.is_ok() && shape == Shape::Unknown {
            shape = Shape::Leaf("()");
            self.progress = true;
        }
        let is_stuck = value.is_err() && !self.progress;
        self.progress |= before;
        if let Some(field) = self.body(id, variant).fields_mut().get_mut(index) {
            field.shape = shape;
            field.fails = if is_stuck { field.fails.saturating_add(1) } else { 0 };
        }
        value
    }
}

/// Reads the fields of a struct or variant: by name, those first of which something new is expected, so that one that
/// refuses every sample hides no other; or by place.
pub(super) fn read_fields<V: Visitor<'static>>(
    trace: &mut Trace,
    id: usize,
    variant: usize,
    depth: u32,
    visitor: V,
) -> Result<V::Value, Refused> {
    let here = &trace.registry.defs[id].variants[variant];
    let by_name = matches!(here.body, Body::Names(_)) && !here.by_place;
    let fields = here.body.fields();
    let mut order: Vec<usize> = (0..fields.len()).filter(|&index| !fields[index].is_alias).collect();
    if by_name {
        order.sort_by_key(|&index| (!trace.registry.wants_field(&fields[index]), fields[index].fails));
    }
    let mut fields =
        Fields { trace, id, variant, order: order.into_iter(), pending: None, asked: false, depth };
    if !by_name {
        return visitor.visit_seq(&mut fields);
    }
    let value = visitor.visit_map(&mut fields);
    let (asked, pending) = (fields.asked, fields.pending);
    if value.is_err() {
        let here = &mut trace.registry.defs[id].variants[variant];
        if !asked {
            trace.progress |= !std::mem::replace(&mut here.by_place, true);
        } else if let Some(field) = pending.and_then(|index| here.body.fields_mut().get_mut(index)) {
            // The name was refused before its value: it is another name of a field that was there.
            trace.progress |= !std::mem::replace(&mut field.is_alias, true);
        }
    }
    value
}

struct Fields<'a> {
    trace: &'a mut Trace,
    id: usize,
    variant: usize,
    order: std::vec::IntoIter<usize>,
    /// The field whose name was given and whose value was not asked for.
    pending: Option<usize>,
    asked: bool,
    depth: u32,
}

impl Fields<'_> {
    fn read<S: DeserializeSeed<'static>>(&mut self, index: usize, seed: S) -> Result<S::Value, Refused> {
        let depth = self.depth + 1;
        self.trace.around_field(self.id, self.variant, index, |trace, at| trace.read(seed, at, depth))
    }
}

impl MapAccess<'static> for Fields<'_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'static>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        self.asked = true;
        self.pending = self.order.next();
        let Some(index) = self.pending else { return Ok(None) };
        let field = self.trace.registry.defs[self.id].variants[self.variant].body.fields().get(index);
        let name = field.map_or("", |field| field.name);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'static>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let index = self.pending.take().ok_or(Refused)?;
        self.read(index, seed)
    }
}

impl SeqAccess<'static> for Fields<'_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'static>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refused> {
        match self.order.next() {
            Some(index) => self.read(index, seed).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.order.len())
    }
}

/// One variant of an enum.
pub(super) struct Enumeration<'a> {
    pub(super) trace: &'a mut Trace,
    pub(super) id: usize,
    pub(super) index: usize,
    pub(super) depth: u32,
}

impl<'a> EnumAccess<'static> for Enumeration<'a> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'static>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        let name = self.trace.registry.defs[self.id].variants[self.index].name;
        match seed.deserialize(BorrowedStrDeserializer::<Refused>::new(name)) {
            Ok(variant) => Ok((variant, self)),
            Err(refused) => {
                self.trace.is_body(self.id, self.index, || Body::Refused);
                Err(refused)
            }
        }
    }
}

impl VariantAccess<'static> for Enumeration<'_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.trace.is_unit(self.id, self.index);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'static>>(self, seed: S) -> Result<S::Value, Refused> {
        self.trace.has_places(self.id, self.index, 1);
        let depth = self.depth + 1;
        self.trace.around_field(self.id, self.index, 0, |trace, at| trace.read(seed, at, depth))
    }

    fn tuple_variant<V: Visitor<'static>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        self.trace.has_places(self.id, self.index, len);
        read_fields(self.trace, self.id, self.index, self.depth, visitor)
    }

    fn struct_variant<V: Visitor<'static>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.trace.has_names(self.id, self.index, fields);
        read_fields(self.trace, self.id, self.index, self.depth, visitor)
    }
}
