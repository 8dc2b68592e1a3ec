//! The shapes of types: their canonical text, what changes it, and what a sentence says of a change.

mod changes;
mod random;
mod sentences;
mod texts;

use farcall_core::__private::{MethodShape, PlainSeed, Shapes};
use serde::de::DeserializeOwned;

/// The shapes of a method that takes a `T` and returns nothing.
fn taking<T: DeserializeOwned + 'static>() -> Shapes {
    Shapes::trace(&[|method| -> MethodShape {
        method.argument("it", PlainSeed::<T>::new()).value(PlainSeed::<()>::new())
    }])
}

/// The canonical text of a type.
fn text<T: DeserializeOwned + 'static>() -> String {
    let text = taking::<T>().text(0, usize::MAX);
    text.strip_prefix('(').and_then(|text| text.strip_suffix(")->()")).expect("one argument").to_owned()
}

fn fingerprint<T: DeserializeOwned + 'static>() -> u64 {
    taking::<T>().fingerprint(0)
}

/// What the side that has `A` says of a side that has `B`.
fn says<A: DeserializeOwned + 'static, B: DeserializeOwned + 'static>() -> String {
    taking::<A>().difference(0, &taking::<B>().text(0, 4096))
}
