//! How large a message of a shape can get.

use super::registry::{Def, Kind, Shape};

/// The most bytes that a value takes, roughly and on the safe side for codecs that do not describe themselves; `None`: there
/// is no bound.
pub(super) fn bound(defs: &[Def], shape: &Shape) -> Option<usize> {
    Bound { defs, inside: Vec::new() }.of(shape)
}

/// Bytes of a number of any size, and of what stands in front of a variant or an option.
const NUMBER: usize = 20;

struct Bound<'a> {
    defs: &'a [Def],
    inside: Vec<usize>,
}

impl Bound<'_> {
    fn of(&mut self, shape: &Shape) -> Option<usize> {
        match shape {
            Shape::Unknown | Shape::Opaque(_) | Shape::Seq(_) | Shape::Map(_) => None,
            Shape::Leaf("string" | "bytes" | "identifier") => None,
            Shape::Leaf("()") => Some(0),
            Shape::Leaf(_) => Some(NUMBER),
            Shape::Option(inner) => self.of(inner)?.checked_add(NUMBER),
            Shape::Tuple(items) => {
                items.iter().try_fold(0, |sum: usize, item| sum.checked_add(self.of(item)?))
            }
            Shape::Named(id) => self.named(*id),
        }
    }

    fn named(&mut self, id: usize) -> Option<usize> {
        if self.inside.contains(&id) {
            return None;
        }
        self.inside.push(id);
        let def = self.defs.get(id)?;
        let mut most = 0;
        for variant in &def.variants {
            let fields = variant.body.fields().iter();
            let size =
                fields.into_iter().try_fold(NUMBER, |sum, field| sum.checked_add(self.of(&field.shape)?))?;
            most = most.max(size);
        }
        self.inside.pop();
        Some(if def.kind == Kind::Enum { most.checked_add(NUMBER)? } else { most })
    }
}
