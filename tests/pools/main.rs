//! Pools: calls are spread, what ends is replaced, and every call says what became of it.

mod crew;
mod gathering;
mod parents;
mod spread;
mod workers;
