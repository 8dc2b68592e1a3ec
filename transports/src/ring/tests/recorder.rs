//! Memory that notes every access.

use std::sync::{Arc, Mutex};

use super::super::memory::Memory;
use super::super::sites::{Fence, Load, Store};
use super::heap::Heap;

/// One access, where and to how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Load(Load, usize),
    Store(Store, usize),
    Fence(Fence),
    In(usize, usize),
    Out(usize, usize),
}

/// One side's view of a region.
#[derive(Clone)]
pub(super) struct Recorder {
    memory: Arc<Heap>,
    log: Arc<Mutex<Vec<Access>>>,
}

impl Recorder {
    pub(super) fn over(memory: Arc<Heap>) -> Self {
        Recorder { memory, log: Arc::default() }
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> Vec<Access> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn note(&self, access: Access) {
        self.log.lock().unwrap().push(access);
    }
}

impl Memory for Recorder {
    fn load(&self, at: usize, site: Load) -> u32 {
        self.note(Access::Load(site, at));
        self.memory.load(at, site)
    }

    fn store(&self, at: usize, value: u32, site: Store) {
        self.note(Access::Store(site, at));
        self.memory.store(at, value, site);
    }

    fn fence(&self, site: Fence) {
        self.note(Access::Fence(site));
        self.memory.fence(site);
    }

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        self.note(Access::In(at, bytes.len()));
        self.memory.copy_in(at, bytes);
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        self.note(Access::Out(at, len));
        self.memory.copy_out(at, len, into);
    }
}
