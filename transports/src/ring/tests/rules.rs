//! The rules of the ring, one test or more for each, by its number. Those of mapping and bell are tested there.

use std::collections::HashSet;
use std::sync::Arc;

use farcall_core::limits::{MAX_FRAME, MAX_HEAD};

use super::super::layout::{self, CHECK, HEAD, LENGTH, LINE, RESERVED};
use super::super::memory::Memory;
use super::super::sites::{Fence, Load, Store};
use super::super::{Broken, Ends, Layout, Popped, Pushed, Side};
use super::KEYS;
use super::heap::Heap;
use super::recorder::{Access, Recorder};

const RING: usize = 128 * 1024;

/// A region, its listener, its connector, and their accesses.
struct Stage {
    memory: Arc<Heap>,
    here: Ends<Recorder>,
    there: Ends<Recorder>,
    by_here: Recorder,
    by_there: Recorder,
    frame: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        Stage::over(Arc::new(Heap::new(layout().size())))
    }

    fn over(memory: Arc<Heap>) -> Self {
        let (by_here, by_there) = (Recorder::over(memory.clone()), Recorder::over(memory.clone()));
        let here = Ends::new(by_here.clone(), layout(), Side::Listener, KEYS);
        let there = Ends::new(by_there.clone(), layout(), Side::Connector, KEYS);
        Stage { memory, here, there, by_here, by_there, frame: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<Pushed, Broken> {
        self.here.producer.push(&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..])
    }

    fn pop(&mut self) -> Result<Popped, Broken> {
        self.there.consumer.pop(&mut self.frame)
    }

    fn fill(&mut self) {
        while self.push(&[7; 1_000]) == Ok(Pushed::Taken) {}
    }

    /// What the peer writes, whichever side it is.
    fn poke(&self, at: usize, value: u32) {
        self.memory.store(at, value, Store::Stamp);
    }
}

fn layout() -> Layout {
    Layout::new(RING).unwrap()
}

/// Where the listener's ring begins.
fn ring() -> usize {
    layout().ring_of(Side::Listener)
}

#[test]
fn r2_geometry_is_not_taken_from_the_region() {
    let memory = Arc::new(Heap::new(layout().size()));
    memory.copy_in(0, &vec![0xA5; layout().size()]);
    let mut stage = Stage::over(memory);
    for size in [0, 1, 48, 49, 1_000, MAX_FRAME] {
        let bytes = vec![size as u8; size];
        assert_eq!(stage.push(&bytes), Ok(Pushed::Taken));
        assert_eq!(stage.pop(), Ok(Popped::Frame));
        assert_eq!(stage.frame, bytes);
    }
    let of_peer = |access: &Access| matches!(access, Access::Load(..));
    assert_eq!(stage.by_here.take().iter().filter(|access| of_peer(access)).count(), 0);
}

#[test]
fn r3_what_a_side_stores_it_does_not_load() {
    let mut stage = Stage::new();
    for _ in 0..if cfg!(miri) { 1 } else { 3 } {
        stage.fill();
        while stage.pop() == Ok(Popped::Frame) {}
        for ends in [&mut stage.here, &mut stage.there] {
            ends.rest.announce();
            ends.must_ring(true);
            ends.rest.awake();
        }
        stage.here.producer.taken().unwrap();
    }
    for log in [stage.by_here.take(), stage.by_there.take()] {
        let stored = log.iter().filter_map(|access| match access {
            Access::Store(_, at) => Some(*at),
            _ => None,
        });
        let stored: HashSet<usize> = stored.collect();
        for access in &log {
            assert!(!matches!(access, Access::Load(_, at) if stored.contains(at)), "{access:?} of one's own");
        }
    }
}

#[test]
fn r4_an_index_beyond_what_was_written_poisons() {
    for beyond in [1, 2_048, 1 << 31, u32::MAX - 2_032] {
        let mut stage = Stage::new();
        stage.fill();
        let written = stage.here.producer.pushed() as u32 * 16;
        stage.poke(layout::head_of(Side::Connector), written.wrapping_add(beyond));
        assert_eq!(stage.push(&[7; 1_000]), Err(Broken::Head));
        assert_eq!(stage.push(&[]), Err(Broken::Head), "and stays so");
    }
}

#[test]
fn r4_an_index_that_goes_back_poisons() {
    let mut stage = Stage::new();
    stage.fill();
    assert_eq!(stage.pop(), Ok(Popped::Frame));
    assert_eq!(stage.here.producer.has_room(1_000), Ok(true));
    stage.fill();
    stage.poke(layout::head_of(Side::Connector), 15);
    assert_eq!(stage.here.producer.has_room(1_000), Err(Broken::Head));
}

#[test]
fn r4_the_peers_index_is_loaded_once_and_only_where_room_is_missing() {
    let mut stage = Stage::new();
    stage.fill();
    let loads = |log: Vec<Access>| log.iter().filter(|access| matches!(access, Access::Load(..))).count();
    assert_eq!(loads(stage.by_here.take()), 1, "of the push that found no room");
    assert_eq!(stage.push(&[7; 1_000]), Ok(Pushed::Full));
    assert_eq!(loads(stage.by_here.take()), 1);
}

#[test]
fn r5_indices_run_on_over_the_end_of_their_words() {
    let start = (1 << 32) - 1_000;
    let memory = Arc::new(Heap::new(layout().size()));
    memory.store(layout::head_of(Side::Connector), start as u32, Store::Head);
    let ends = |side| Ends::starting(memory.clone(), layout(), side, KEYS, start);
    let (mut here, mut there) = (ends(Side::Listener), ends(Side::Connector));
    let mut frame = Vec::new();
    for number in 0..1_000_u64 {
        let bytes = vec![number as u8; number as usize];
        while here.producer.push(&bytes, &number.to_le_bytes()) == Ok(Pushed::Full) {
            assert_eq!(there.consumer.pop(&mut frame), Ok(Popped::Frame));
        }
    }
    let mut last = 0;
    while there.consumer.pop(&mut frame) == Ok(Popped::Frame) {
        last = u64::from_le_bytes(*frame.last_chunk().unwrap());
    }
    assert_eq!((last, here.producer.taken()), (999, Ok(1_000)));
}

#[test]
fn r6_a_head_is_read_once() {
    let mut stage = Stage::new();
    stage.push(b"one and two").unwrap();
    assert_eq!(stage.pop(), Ok(Popped::Frame));
    let loads: Vec<_> = stage.by_there.take();
    let words = [(Load::Stamp, 0), (Load::Check, CHECK), (Load::Length, LENGTH), (Load::Reserved, RESERVED)];
    assert_eq!(loads[..4], words.map(|(site, at)| Access::Load(site, ring() + at)));
    assert_eq!(loads[4], Access::Out(ring() + HEAD, 11));
    assert!(!loads[5..].iter().any(|access| matches!(access, Access::Load(..) | Access::Out(..))));
}

#[test]
fn r6_the_second_step_of_a_long_frame_reads_no_head_again() {
    let mut stage = Stage::new();
    stage.push(&[7; 1_000]).unwrap();
    assert_eq!(stage.there.consumer.pop_first(&mut stage.frame, 0), Ok(Popped::Begun(1_000 - MAX_HEAD)));
    stage.by_there.take();
    stage.poke(ring() + LENGTH, 2_000);
    stage.there.consumer.pop_rest(&mut stage.frame);
    assert_eq!(stage.frame, [7; 1_000]);
    let log = stage.by_there.take();
    assert_eq!(log[0], Access::Out(ring() + HEAD + MAX_HEAD, 1_000 - MAX_HEAD));
    assert!(matches!(log[1..], [Access::Store(Store::Taken, _), Access::Store(Store::Head, _)]), "{log:?}");
}

#[test]
fn r6_a_length_that_no_frame_has_poisons() {
    for length in [MAX_FRAME as u32 + 1, RING as u32, 1 << 31, u32::MAX - 1] {
        let mut stage = Stage::new();
        stage.push(b"frame").unwrap();
        stage.poke(ring() + LENGTH, length);
        assert_eq!(stage.pop(), Err(Broken::Length(length)));
        assert_eq!(stage.frame, b"");
    }
}

#[test]
fn r6_a_reserved_word_that_is_not_zero_poisons() {
    let mut stage = Stage::new();
    stage.push(b"frame").unwrap();
    stage.poke(ring() + RESERVED, 1);
    assert_eq!(stage.pop(), Err(Broken::Reserved));
}

#[test]
fn r6_half_a_seal_is_no_record() {
    for word in [0, CHECK] {
        let mut stage = Stage::new();
        stage.push(b"frame").unwrap();
        stage.poke(ring() + word, 0);
        assert!(!stage.there.consumer.is_ready());
        assert_eq!(stage.pop(), Ok(Popped::Nothing));
    }
}

#[test]
fn r7_a_frame_once_taken_cannot_be_changed() {
    let mut stage = Stage::new();
    stage.push(b"before").unwrap();
    assert_eq!(stage.pop(), Ok(Popped::Frame));
    stage.memory.copy_in(ring(), &[0xFF; 64]);
    assert_eq!(stage.frame, b"before");
}

#[test]
#[cfg(not(miri))]
fn r8_there_is_no_reference_into_the_region() {
    let door = include_str!("../memory.rs");
    let copies = include_str!("../memory/copy.rs");
    let rooms = [include_str!("../producer.rs"), include_str!("../consumer.rs"), include_str!("../rest.rs")];
    for text in [door, copies] {
        assert!(!text.contains("from_raw_parts") && !text.contains("as_ref()") && !text.contains("as_mut()"));
    }
    for text in rooms {
        assert!(!text.contains("unsafe") && !text.contains("*const") && !text.contains("*mut"));
    }
}

#[test]
fn r9_the_work_of_each_step_is_bounded() {
    let mut stage = Stage::new();
    let steps: [fn(&mut Stage); 6] = [
        |stage| _ = stage.push(&[1; 1_000]),
        |stage| _ = stage.pop(),
        |stage| _ = stage.there.must_ring(true),
        |stage| stage.here.rest.announce(),
        |stage| _ = stage.here.rest.awake(),
        |stage| _ = stage.here.producer.taken(),
    ];
    for _ in 0..if cfg!(miri) { 20 } else { 1_000 } {
        for step in steps {
            step(&mut stage);
            assert!(stage.by_here.take().len() <= 8 && stage.by_there.take().len() <= 8);
        }
    }
}

#[test]
fn r10_who_publishes_looks_for_a_sleeper_behind_a_fence() {
    let mut stage = Stage::new();
    stage.push(b"frame").unwrap();
    assert!(!stage.here.must_ring(true));
    let log = stage.by_here.take();
    let [.., published, fence, look] = &log[..] else { panic!("{log:?}") };
    assert_eq!(*published, Access::Store(Store::Stamp, ring()));
    assert_eq!(*fence, Access::Fence(Fence::Told));
    assert!(matches!(look, Access::Load(Load::Sleeping, _)));
}

#[test]
fn r10_who_goes_to_sleep_looks_again_behind_a_fence() {
    let mut stage = Stage::new();
    stage.there.rest.announce();
    assert!(!stage.there.consumer.is_ready());
    let log = stage.by_there.take();
    let [.., announced, fence, look] = &log[..] else { panic!("{log:?}") };
    assert!(matches!(announced, Access::Store(Store::Sleeping, _)));
    assert_eq!(*fence, Access::Fence(Fence::Announced));
    assert!(matches!(look, Access::Load(Load::Stamp, _)));
}

#[test]
fn r13_a_frame_is_seen_by_its_last_store_only() {
    let mut stage = Stage::new();
    stage.push(b"frame").unwrap();
    let log = stage.by_here.take();
    let stores = log.iter().filter_map(|access| match access {
        Access::Store(site, _) => Some(*site),
        _ => None,
    });
    let stores: Vec<_> = stores.collect();
    assert_eq!(stores[stores.len() - 2..], [Store::Check, Store::Stamp]);
    assert!(matches!(log.last(), Some(Access::Store(Store::Stamp, _))), "bytes come before");
}

#[test]
fn r14_only_what_was_lent_can_be_given_back() {
    for claim in [4, 1 << 31, u32::MAX] {
        let mut stage = Stage::new();
        for _ in 0..3 {
            stage.push(b"frame").unwrap();
        }
        stage.poke(layout::taken_by(Side::Connector), claim);
        assert_eq!(stage.here.producer.taken(), Err(Broken::Taken));
    }
}

#[test]
fn r14_what_was_given_back_cannot_be_asked_for_again() {
    let mut stage = Stage::new();
    for _ in 0..3 {
        stage.push(b"frame").unwrap();
    }
    stage.pop().unwrap();
    assert_eq!(stage.here.producer.taken(), Ok(1));
    stage.poke(layout::taken_by(Side::Connector), 0);
    assert_eq!(stage.here.producer.taken(), Err(Broken::Taken));
}

#[test]
fn r15_a_frame_counts_as_taken_before_its_taker_has_it() {
    let mut stage = Stage::new();
    for number in 1..=3 {
        stage.push(&[number; 100]).unwrap();
    }
    for number in 1..=3 {
        assert_eq!(stage.pop(), Ok(Popped::Frame));
        assert_eq!(stage.here.producer.taken(), Ok(number));
    }
    let log = stage.by_there.take();
    let [.., out, taken, head] = &log[..] else { panic!("{log:?}") };
    assert!(matches!(out, Access::Out(..)) && matches!(taken, Access::Store(Store::Taken, _)));
    assert!(matches!(head, Access::Store(Store::Head, _)));
}

#[test]
fn r15_a_frame_that_is_begun_is_not_taken_and_can_be_begun_again() {
    let mut stage = Stage::new();
    stage.push(&[7; 1_000]).unwrap();
    for _ in 0..2 {
        assert_eq!(stage.there.consumer.pop_first(&mut stage.frame, 0), Ok(Popped::Begun(1_000 - MAX_HEAD)));
        assert_eq!(stage.here.producer.taken(), Ok(0));
    }
    assert_eq!(stage.pop(), Ok(Popped::Frame));
    assert_eq!(stage.frame, [7; 1_000]);
    // What was begun before is not taken twice.
    stage.there.consumer.pop_rest(&mut stage.frame);
    assert_eq!((stage.frame.len(), stage.here.producer.taken()), (1_000, Ok(1)));
}

#[test]
fn r16_what_is_broken_stays_broken() {
    let mut stage = Stage::new();
    stage.push(b"frame").unwrap();
    stage.poke(ring() + RESERVED, 1);
    assert_eq!(stage.pop(), Err(Broken::Reserved));
    stage.poke(ring() + RESERVED, 0);
    assert_eq!(stage.pop(), Err(Broken::Reserved));
    assert!(stage.there.consumer.is_ready(), "whoever would sleep on it learns of it");
    stage.poke(layout::taken_by(Side::Connector), 9);
    assert_eq!(stage.here.producer.taken(), Err(Broken::Taken));
    stage.poke(layout::taken_by(Side::Connector), 1);
    assert_eq!(stage.here.producer.taken(), Err(Broken::Taken));
    assert_eq!(stage.push(b"frame"), Err(Broken::Taken));
    stage.by_here.take();
    stage.here.producer.close();
    assert_eq!(stage.by_here.take(), [], "nothing more is written");
}

#[test]
fn r17_nothing_is_written_beyond_the_frame() {
    let mut stage = Stage::new();
    let mut line = Vec::new();
    stage.push(&[0xEE; 5]).unwrap();
    stage.memory.copy_out(ring() + HEAD + 5, LINE - HEAD - 5, &mut line);
    stage.memory.copy_out(ring() + LINE, LINE, &mut line);
    assert_eq!(line, [0; LINE - HEAD - 5 + LINE]);
}

#[test]
fn r18_a_ring_has_a_least_and_a_greatest_size() {
    for bytes in [0, 1, 64, 4_096, RING / 2, RING - 1, RING + 1, 3 * RING, (1 << 30) + 1, 1 << 31, usize::MAX]
    {
        assert_eq!(Layout::new(bytes), None, "{bytes} bytes");
    }
    for shift in 17..=30 {
        let layout = Layout::new(1 << shift).unwrap();
        assert_eq!(layout.size(), 4_096 + (2 << shift));
        assert!(layout::lines_of(layout.longest()) <= layout.lines() - layout.lines() / 4);
    }
}

#[test]
fn a_frame_longer_than_any_is_refused_and_breaks_nothing() {
    let mut stage = Stage::new();
    assert_eq!(stage.push(&vec![0; MAX_FRAME + 1]), Err(Broken::Oversized));
    assert_eq!(stage.push(&vec![0; MAX_FRAME]), Ok(Pushed::Taken));
}
