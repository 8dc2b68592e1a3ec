//! Memory in the hands of an adversary: every load is answered from the input of a fuzzer, each by itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use farcall_core::limits::MAX_HEAD;

use super::layout::{self, lines_of, seal};
use super::memory::Memory;
use super::sites::{Fence, Load, Store};
use super::{Broken, Ends, Keys, Layout, Popped, Pushed, Side};

/// Loads of one operation, at most.
const LOADS: u32 = 64;

const KEYS: Keys = Keys { from_listener: 1, from_connector: 2 };

/// What an honest peer would have written; without it an adversary would not get far.
#[derive(Clone, Copy, Default)]
struct Honest {
    seal: (u32, u32),
    head: u32,
    taken: u32,
    sleep: u32,
}

/// A region that has no bytes: what is read comes from the input, what is written is gone.
struct Adversary<'a> {
    layout: Layout,
    side: Side,
    input: RefCell<&'a [u8]>,
    honest: Cell<Honest>,
    loads: Cell<u32>,
    writes: Cell<u32>,
}

impl Adversary<'_> {
    fn byte(&self) -> u8 {
        let mut input = self.input.borrow_mut();
        let Some((&byte, rest)) = input.split_first() else { return 0 };
        *input = rest;
        byte
    }

    fn number(&self) -> u32 {
        u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    /// Whether these bytes belong to what `writer` writes.
    fn is_of(&self, writer: Side, at: usize, len: usize) -> bool {
        let within = |from: usize, size: usize| at >= from && at + len <= from + size;
        within(layout::taken_by(writer), 8)
            || within(layout::sleep_of(writer), 8)
            || within(self.layout.ring_of(writer), self.layout.ring_bytes())
    }

    fn count_write(&self, at: usize, len: usize) {
        assert!(self.is_of(self.side, at, len), "{len} bytes at {at} are not its own");
        self.writes.set(self.writes.get() + 1);
    }
}

impl Memory for Rc<Adversary<'_>> {
    fn load(&self, at: usize, site: Load) -> u32 {
        assert!(at.is_multiple_of(4) && self.is_of(self.side.other(), at, 4), "a load of {site:?} at {at}");
        self.loads.set(self.loads.get() + 1);
        let honest = self.honest.get();
        let expected = match site {
            Load::Stamp => honest.seal.0,
            Load::Check => honest.seal.1,
            Load::Head => honest.head,
            Load::Taken => honest.taken,
            Load::Sleeping | Load::Seen => honest.sleep,
            Load::Length => u32::from(self.byte()),
            Load::Reserved => 0,
        };
        match self.byte() {
            0..160 => expected,
            160..200 => expected.wrapping_add_signed(i32::from(self.byte() as i8)),
            200..210 => 0,
            210..220 => u32::MAX,
            _ => self.number(),
        }
    }

    fn store(&self, at: usize, _: u32, _: Store) {
        assert!(at.is_multiple_of(4));
        self.count_write(at, 4);
    }

    fn fence(&self, _: Fence) {}

    fn copy_in(&self, at: usize, bytes: &[u8]) {
        self.count_write(at, bytes.len());
    }

    fn copy_out(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        assert!(self.is_of(self.side.other(), at, len), "{len} bytes from {at} are not the peer's");
        into.resize(into.len() + len, self.byte());
    }
}

/// One side of a region, whose other side is the input.
pub(crate) fn story(input: &[u8]) {
    let (&setup, input) = input.split_first().unwrap_or((&0, &[]));
    let side = if setup & 1 == 0 { Side::Listener } else { Side::Connector };
    let tiny = Layout::tiny(16, 500);
    let layout = if setup & 2 == 0 { tiny } else { Layout::new(128 * 1024).unwrap_or(tiny) };
    // Near the end of the words too, and of the ring.
    let start = if setup & 4 == 0 { 0 } else { (1 << 32) - u64::from(setup >> 3) };
    let memory = Rc::new(Adversary {
        layout,
        side,
        input: RefCell::new(input),
        honest: Cell::default(),
        loads: Cell::default(),
        writes: Cell::default(),
    });
    let ends = Ends::starting(memory.clone(), layout, side, KEYS, start);
    let mut story =
        Story { ends, memory, written: start, read: start, frames: 0, is_broken: false, frame: Vec::new() };
    while !story.memory.input.borrow().is_empty() {
        story.step();
        assert!(story.memory.loads.take() <= LOADS, "an operation takes too many steps");
    }
}

struct Story<'a> {
    ends: Ends<Rc<Adversary<'a>>>,
    memory: Rc<Adversary<'a>>,
    /// Lines.
    written: u64,
    read: u64,
    frames: u32,
    /// Whether the producer has found a broken rule.
    is_broken: bool,
    frame: Vec<u8>,
}

impl Story<'_> {
    fn step(&mut self) {
        let choice = self.memory.byte();
        let key = KEYS.of_records_from(self.memory.side.other());
        self.memory.honest.set(Honest {
            seal: seal(key, self.read),
            head: (self.written as u32).wrapping_sub(u32::from(choice >> 4)),
            taken: self.frames.wrapping_sub(u32::from(choice >> 6)),
            sleep: u32::from(choice >> 4),
        });
        match choice % 16 {
            0..5 => self.push(),
            5..10 => self.pop(),
            10 => self.taken(),
            11 => self.ends.rest.announce(),
            12 => _ = self.ends.rest.awake(),
            13 => _ = self.ends.must_ring(choice & 16 != 0),
            14 => {
                let bytes = usize::from(self.memory.byte());
                _ = self.ends.producer.has_room(bytes * bytes);
            }
            _ if choice == 255 => self.ends.producer.close(),
            _ => _ = self.ends.consumer.is_ready(),
        }
    }

    fn push(&mut self) {
        let (size, cut) = (usize::from(self.memory.byte()), usize::from(self.memory.byte()));
        // Mostly small, sometimes too long.
        let bytes = vec![0; if size > 250 { size * size * 2 } else { size }];
        let (head, body) = bytes.split_at(cut.min(bytes.len()));
        self.memory.writes.set(0);
        let pushed = self.ends.producer.push(head, body);
        if pushed == Ok(Pushed::Taken) {
            assert!(!self.is_broken && bytes.len() <= self.memory.layout.longest());
            self.written += lines_of(bytes.len());
            self.frames = self.frames.wrapping_add(1);
        } else {
            assert_eq!(self.memory.writes.get(), 0, "nothing is written of a frame that is not taken");
        }
        self.is_broken |= matches!(pushed, Err(Broken::Head | Broken::Taken));
    }

    fn pop(&mut self) {
        let mut popped = if self.memory.byte() & 1 == 0 {
            self.ends.consumer.pop(&mut self.frame)
        } else {
            self.ends.consumer.pop_first(&mut self.frame, MAX_HEAD)
        };
        if let Ok(Popped::Begun(rest)) = popped {
            assert_eq!(self.frame.len(), MAX_HEAD);
            if self.memory.byte() & 1 == 0 {
                // Whoever does not take the rest begins again.
                return;
            }
            self.ends.consumer.pop_rest(&mut self.frame);
            assert_eq!(self.frame.len(), MAX_HEAD + rest);
            popped = Ok(Popped::Frame);
        }
        if popped == Ok(Popped::Frame) {
            assert!(self.frame.len() <= self.memory.layout.longest());
            self.read += lines_of(self.frame.len());
        } else {
            assert!(self.frame.is_empty());
        }
        if popped.is_err() {
            assert_eq!(self.ends.consumer.pop(&mut self.frame), popped, "what is broken stays so");
        }
    }

    fn taken(&mut self) {
        match self.ends.producer.taken() {
            Ok(taken) => assert!(!self.is_broken && taken <= self.ends.producer.pushed()),
            Err(_) => self.is_broken = true,
        }
    }
}
