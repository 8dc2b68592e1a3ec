//! The canonical text of shapes, and its fingerprint. `WIRE.md` is the specification.

use super::MethodShape;
use super::registry::{Body, Def, Field, Kind, Shape};

/// Takes text until it is full.
pub(super) trait Sink {
    /// Whether the names of what is opaque are wanted.
    const NAMES: bool;

    fn put(&mut self, text: &str);

    fn is_full(&self) -> bool;
}

/// Text for people, cut at so many bytes.
pub(super) struct Cut {
    pub(super) text: String,
    pub(super) limit: usize,
}

impl Sink for Cut {
    const NAMES: bool = true;

    fn put(&mut self, text: &str) {
        let room = self.limit.saturating_sub(self.text.len());
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room {
            self.limit = self.text.len();
        }
    }

    fn is_full(&self) -> bool {
        self.text.len() >= self.limit
    }
}

/// FNV-1a of 64 bits.
pub(super) struct Fingerprint {
    hash: u64,
    left: usize,
}

impl Fingerprint {
    pub(super) fn new(limit: usize) -> Self {
        Fingerprint { hash: 0xcbf2_9ce4_8422_2325, left: limit }
    }

    /// Never 0, which stands for "not given".
    pub(super) fn finish(self) -> u64 {
        self.hash.max(1)
    }
}

impl Sink for Fingerprint {
    const NAMES: bool = false;

    fn put(&mut self, text: &str) {
        let text = &text.as_bytes()[..text.len().min(self.left)];
        self.left -= text.len();
        for byte in text {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }
}

/// Writes shapes into a sink.
pub(super) struct Writer<'a, S> {
    defs: &'a [Def],
    /// The named types inside of which it writes.
    inside: Vec<usize>,
    sink: &'a mut S,
}

impl<'a, S: Sink> Writer<'a, S> {
    pub(super) fn new(defs: &'a [Def], sink: &'a mut S) -> Self {
        Writer { defs, inside: Vec::new(), sink }
    }

    pub(super) fn method(&mut self, method: &MethodShape) {
        self.sink.put("(");
        for (index, (_, shape)) in method.arguments.iter().enumerate() {
            self.comma(index);
            self.shape(shape);
        }
        self.sink.put(")->");
        self.shape(&method.value);
        if let Some(error) = &method.error {
            self.sink.put("!");
            self.shape(error);
        }
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.sink.put(",");
        }
    }

    fn name(&mut self, name: &str) {
        let plain = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
        if name.chars().all(plain) {
            return self.sink.put(name);
        }
        for char in name.chars() {
            if plain(char) {
                self.sink.put(char.encode_utf8(&mut [0; 4]));
            } else {
                self.sink.put(&format!("%{:x};", u32::from(char)));
            }
        }
    }

    fn opaque(&mut self, name: &str) {
        self.sink.put("opaque");
        if S::NAMES && !name.is_empty() {
            self.sink.put("(");
            self.name(name);
            self.sink.put(")");
        }
    }

    fn shape(&mut self, shape: &Shape) {
        if self.sink.is_full() {
            return;
        }
        match shape {
            Shape::Unknown => self.opaque(""),
            Shape::Leaf(name) => self.sink.put(name),
            Shape::Opaque(name) => self.opaque(name),
            Shape::Option(inner) => {
                self.shape(inner);
                self.sink.put("?");
            }
            Shape::Seq(item) if **item == Shape::Leaf("u8") => self.sink.put("bytes"),
            Shape::Seq(item) => {
                self.sink.put("[");
                self.shape(item);
                self.sink.put("]");
            }
            Shape::Map(pair) => {
                self.sink.put("{");
                self.shape(&pair.0);
                self.sink.put(",");
                self.shape(&pair.1);
                self.sink.put("}");
            }
            Shape::Tuple(items) => self.tuple(items),
            Shape::Named(id) => self.named(*id),
        }
    }

    /// A row of equal primitives is written once, with its length.
    fn tuple(&mut self, items: &[Shape]) {
        self.sink.put("(");
        let mut rest = items;
        while let Some(first) = rest.first() {
            self.comma(usize::from(rest.len() < items.len()));
            self.shape(first);
            let is_row = matches!(first, Shape::Leaf(_));
            let row = if is_row { rest.iter().take_while(|item| *item == first).count() } else { 1 };
            if row > 1 {
                self.sink.put(&format!("*{row}"));
            }
            rest = &rest[row..];
        }
        self.sink.put(")");
    }

    fn named(&mut self, id: usize) {
        let Some(def) = self.defs.get(id) else { return };
        self.name(def.name);
        if let Some(at) = self.inside.iter().rposition(|outer| *outer == id) {
            let between = &self.inside[at + 1..];
            let same = between.iter().filter(|outer| self.defs[**outer].name == def.name).count();
            self.sink.put(&"^".repeat(same + 1));
            return;
        }
        self.inside.push(id);
        match def.kind {
            Kind::Struct => self.body(&def.variants[0].body),
            Kind::Enum => {
                self.sink.put("<");
                for (index, variant) in def.variants.iter().enumerate() {
                    self.comma(index);
                    self.name(variant.name);
                    self.body(&variant.body);
                }
                self.sink.put(">");
            }
        }
        self.inside.pop();
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Unit => {}
            Body::Unknown | Body::Refused => self.sink.put("(opaque)"),
            Body::Places(fields) => self.fields("(", fields, ")"),
            Body::Names(fields) => self.fields("{", fields, "}"),
        }
    }

    fn fields(&mut self, open: &str, fields: &[Field], close: &str) {
        self.sink.put(open);
        for (index, field) in fields.iter().filter(|field| !field.is_alias).enumerate() {
            self.comma(index);
            if open == "{" {
                self.name(field.name);
                self.sink.put(":");
            }
            self.shape(&field.shape);
        }
        self.sink.put(close);
    }
}
