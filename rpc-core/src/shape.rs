//! What the methods of a service look like: the shape of arguments and results, as text and as fingerprint.
//!
//! Shapes are found out by running each type's `Deserialize` against a deserializer without bytes, once per process and
//! service. Both sides of a connection compare the fingerprints when a service is opened; where they differ, the texts
//! cross, and this side says in a sentence what is different.

use std::sync::{LazyLock, OnceLock};

use serde::de::DeserializeSeed;

mod access;
mod difference;
mod parse;
mod registry;
mod size;
mod text;
mod tracer;

use crate::limits::MAX_SHAPE_TEXT;
use registry::{Registry, Shape};
use text::{Cut, Fingerprint, Writer};
use tracer::Trace;

/// The shapes of a service's methods.
///
/// ```
/// use farcall_core::__private::{PlainSeed, Shapes, StrSeed};
///
/// let shapes = Shapes::trace(&[|put| put.argument("key", StrSeed).argument("ttl", PlainSeed::<u32>::new()).value(PlainSeed::<()>::new())]);
/// assert_eq!(shapes.text(0, 4096), "(string,u32)->()");
/// assert_eq!(shapes.difference(0, "(string,u64)->()"), "argument ttl is u32 here, u64 there");
/// ```
#[derive(Debug, Default)]
pub struct Shapes {
    methods: Vec<MethodShape>,
    registry: Registry,
}

/// The shape of one method.
#[derive(Debug)]
pub struct MethodShape {
    arguments: Vec<(&'static str, Shape)>,
    value: Shape,
    error: Option<Shape>,
    fingerprint: u64,
}

/// A method while its types are traced.
#[derive(Debug)]
pub struct MethodTrace<'a> {
    trace: &'a mut Trace,
    arguments: Vec<(&'static str, Shape)>,
}

/// How generated code names the types of one method.
pub type TraceMethod = fn(MethodTrace<'_>) -> MethodShape;

impl MethodTrace<'_> {
    /// The next argument: its name here, and what reads it.
    #[must_use]
    pub fn argument<S>(mut self, name: &'static str, seed: S) -> Self
    where
        S: DeserializeSeed<'static> + Copy,
    {
        self.arguments.push((name, self.trace.shape(seed)));
        self
    }

    /// A method that returns a value.
    pub fn value<S>(self, seed: S) -> MethodShape
    where
        S: DeserializeSeed<'static> + Copy,
    {
        let value = self.trace.shape(seed);
        MethodShape { arguments: self.arguments, value, error: None, fingerprint: 0 }
    }

    /// A method that returns a `Result`.
    pub fn result<S, X>(self, ok: S, err: X) -> MethodShape
    where
        S: DeserializeSeed<'static> + Copy,
        X: DeserializeSeed<'static> + Copy,
    {
        let (value, error) = (self.trace.shape(ok), self.trace.shape(err));
        MethodShape { arguments: self.arguments, value, error: Some(error), fingerprint: 0 }
    }
}

impl Shapes {
    /// Traces the methods, in the order of their numbers. Runs the `Deserialize` of each type with sample values, some of
    /// them several times; a panic of theirs is caught, and what was not seen is opaque.
    pub fn trace(methods: &[TraceMethod]) -> Self {
        let mut trace = Trace::default();
        let shape = |method: &TraceMethod| method(MethodTrace { trace: &mut trace, arguments: Vec::new() });
        let methods = methods.iter().map(shape).collect();
        let mut shapes = Shapes { methods, registry: trace.registry };
        for at in 0..shapes.methods.len() {
            let mut fingerprint = Fingerprint::new(MAX_SHAPE_TEXT);
            Writer::new(&shapes.registry.defs, &mut fingerprint).method(&shapes.methods[at]);
            shapes.methods[at].fingerprint = fingerprint.finish();
        }
        shapes
    }

    /// The same, kept in `once`: traced at the first call.
    pub fn once(once: &'static OnceLock<Shapes>, methods: &[TraceMethod]) -> &'static Shapes {
        once.get_or_init(|| Shapes::trace(methods))
    }

    /// Shapes of which nothing is known: they match all others.
    pub fn none() -> &'static Shapes {
        static NONE: LazyLock<Shapes> = LazyLock::new(Shapes::default);
        &NONE
    }

    fn method(&self, method: usize) -> Option<&MethodShape> {
        self.methods.get(method)
    }

    /// The fingerprint of a method's text, without the names of what is opaque; 0: nothing is known.
    pub fn fingerprint(&self, method: usize) -> u64 {
        self.method(method).map_or(0, |method| method.fingerprint)
    }

    /// The canonical text of a method, cut to `limit` bytes.
    pub fn text(&self, method: usize, limit: usize) -> String {
        let mut cut = Cut { text: String::new(), limit };
        if let Some(method) = self.method(method) {
            Writer::new(&self.registry.defs, &mut cut).method(method);
        }
        cut.text
    }

    /// How a method differs from the other side's, whose text is `theirs`.
    pub fn difference(&self, method: usize, theirs: &str) -> String {
        let names: Vec<_> = self
            .method(method)
            .into_iter()
            .flat_map(|method| &method.arguments)
            .map(|(name, _)| *name)
            .collect();
        difference::difference(&names, &self.text(method, MAX_SHAPE_TEXT), theirs)
    }

    /// The most bytes that the arguments of a method take, roughly; `None`: there is no bound.
    pub fn most_sent(&self, method: usize) -> Option<usize> {
        let Some(method) = self.method(method) else { return Some(0) };
        let shapes = method.arguments.iter().map(|(_, shape)| shape);
        shapes.into_iter().try_fold(0, |sum: usize, shape| sum.checked_add(self.bound(shape)?))
    }

    /// The most bytes that a result of a method takes, roughly; `None`: there is no bound.
    pub fn most_returned(&self, method: usize) -> Option<usize> {
        let Some(method) = self.method(method) else { return Some(0) };
        let error = method.error.as_ref().map_or(Some(0), |error| self.bound(error))?;
        self.bound(&method.value).map(|value| value.max(error))
    }

    fn bound(&self, shape: &Shape) -> Option<usize> {
        size::bound(&self.registry.defs, shape)
    }
}
