//! Memory of the model checker, whose orderings can be weakened one at a time, and the bell of a sleeper.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, fence};
use loom::sync::{Condvar, Mutex};

use super::super::super::Side;
use super::super::super::layout::{self, LINE, Layout};
use super::super::super::memory::Memory;
use super::super::super::sites::{Fence, Load, Store};

/// One ordering made weaker than it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mutant {
    Load(Load),
    Store(Store),
    /// Without an ordering the fence is not there.
    Fence(Fence, Option<Ordering>),
}

/// A line of a ring. Its bytes are written and read as plain memory, so that races are found; stamp and check, which are the
/// first two words of a record, also stand for themselves.
struct Line {
    stamp: AtomicU32,
    check: AtomicU32,
    bytes: UnsafeCell<[u8; LINE]>,
}

/// A region. Of its first page only the words exist that the layout names.
pub(super) struct Modelled {
    control: HashMap<usize, AtomicU32>,
    lines: Vec<Line>,
    first_line: usize,
    mutant: Option<Mutant>,
}

impl Modelled {
    /// With what stood there before, at the places of stamps and checks.
    #[expect(clippy::arc_with_non_send_sync, reason = "threads of the model checker share one real thread")]
    pub(super) fn new(layout: Layout, mutant: Option<Mutant>, stale: &[(usize, u32)]) -> Arc<Self> {
        let places = [layout::taken_by, layout::head_of, layout::sleep_of, layout::seen_by];
        let sides = [Side::Listener, Side::Connector];
        let control = sides.iter().flat_map(|side| places.map(|place| (place(*side), AtomicU32::new(0))));
        let first_line = layout.ring_of(Side::Listener);
        let found = |at: usize| stale.iter().find(|(place, _)| *place == at).map_or(0, |(_, value)| *value);
        let lines = (first_line..layout.size()).step_by(LINE).map(|at| Line {
            stamp: AtomicU32::new(found(at)),
            check: AtomicU32::new(found(at + layout::CHECK)),
            bytes: UnsafeCell::new([0; LINE]),
        });
        Arc::new(Modelled { control: control.collect(), lines: lines.collect(), first_line, mutant })
    }

    fn line(&self, at: usize) -> (&Line, usize) {
        let at = at.checked_sub(self.first_line).expect("an access before the rings");
        (&self.lines[at / LINE], at % LINE)
    }

    /// A word that is only loaded and stored.
    fn word(&self, at: usize) -> &AtomicU32 {
        if let Some(word) = self.control.get(&at) {
            return word;
        }
        match self.line(at) {
            (line, 0) => &line.stamp,
            (line, layout::CHECK) => &line.check,
            _ => panic!("no word that is shared"),
        }
    }

    fn read(&self, at: usize, into: &mut [u8]) {
        let (line, from) = self.line(at);
        // SAFETY: the model checker reports a writer beside us before the pointer is used.
        let bytes = line.bytes.with(|bytes| unsafe { bytes.read() });
        into.copy_from_slice(&bytes[from..from + into.len()]);
    }

    fn write(&self, at: usize, from: &[u8]) {
        let (line, into) = self.line(at);
        // SAFETY: as in `read`, for readers too.
        let mut bytes = line.bytes.with(|bytes| unsafe { bytes.read() });
        bytes[into..into + from.len()].copy_from_slice(from);
        // SAFETY: as in `read`, for readers too.
        line.bytes.with_mut(|place| unsafe { place.write(bytes) });
        // A later lap may look for a stamp here.
        if into < layout::LENGTH {
            let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
            line.stamp.store(word(0), Ordering::Relaxed);
            line.check.store(word(layout::CHECK), Ordering::Relaxed);
        }
    }

    /// The parts of a span of bytes that lie in one line each.
    fn spans(at: usize, len: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let here = at + done;
            let span = done..len.min(done + LINE - here % LINE);
            done = span.end;
            (!span.is_empty()).then_some((here, span))
        })
    }
}

impl Memory for Modelled {
    fn load(&self, at: usize, site: Load) -> u32 {
        match (site, self.mutant) {
            // These two come with the stamp: nobody may write them meanwhile.
            (Load::Length | Load::Reserved, _) => {
                let mut word = [0; 4];
                self.read(at, &mut word);
                u32::from_le_bytes(word)
            }
            (_, Some(Mutant::Load(weak))) if weak == site => self.word(at).load(Ordering::Relaxed),
            _ => self.word(at).load(site.ordering()),
        }
    }

    fn store(&self, at: usize, value: u32, site: Store) {
        match (site, self.mutant) {
            (Store::Length | Store::Reserved, _) => self.write(at, &value.to_le_bytes()),
            (_, Some(Mutant::Store(weak))) if weak == site => self.word(at).store(value, Ordering::Relaxed),
            _ => self.word(at).store(value, site.ordering()),
        }
    }

    fn fence(&self, site: Fence) {
        match self.mutant {
            Some(Mutant::Fence(weak, None)) if weak == site => {}
            Some(Mutant::Fence(weak, Some(ordering))) if weak == site => fence(ordering),
            _ => fence(site.ordering()),
        }
    }

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        for (at, span) in Modelled::spans(at, bytes.len()) {
            self.write(at, &bytes[span]);
        }
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        let before = into.len();
        into.resize(before + len, 0);
        for (at, span) in Modelled::spans(at, len) {
            self.read(at, &mut into[before..][span]);
        }
    }
}

/// What a sleeper sleeps on: it stays rung until somebody has woken up by it, like an eventfd.
pub(super) struct Bell {
    is_rung: Mutex<bool>,
    wakes: Condvar,
}

impl Bell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Bell { is_rung: Mutex::new(false), wakes: Condvar::new() })
    }

    pub(super) fn ring(&self) {
        *self.is_rung.lock().unwrap() = true;
        self.wakes.notify_one();
    }

    /// A bell that never rings is a deadlock, which the model checker reports.
    pub(super) fn wait(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.wakes.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}
