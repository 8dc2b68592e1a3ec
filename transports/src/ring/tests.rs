//! Tests of the ring.

mod crash;
mod heap;
mod hostile;
mod mapped;
#[cfg(not(miri))]
mod model;
mod recorder;
mod rules;
mod stress;
mod traffic;

use std::sync::Arc;

use super::{Ends, Keys, Layout, Side};
use heap::Heap;

const KEYS: Keys = Keys { from_listener: 0x0123_4567_89AB_CDEF, from_connector: 0xFEDC_BA98_7654_3210 };

/// Both sides of a fresh region on the heap.
fn pair(layout: Layout) -> (Ends<Arc<Heap>>, Ends<Arc<Heap>>) {
    let memory = Arc::new(Heap::new(layout.size()));
    let ends = |side| Ends::new(memory.clone(), layout, side, KEYS);
    (ends(Side::Listener), ends(Side::Connector))
}
