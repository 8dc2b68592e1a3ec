//! The door that is used in earnest, over memory of this process.

use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use farcall_core::testkit::Watchdog;

use super::super::sites::{Load, Store};
use super::super::{Ends, Layout, Mapped, Memory, Popped, Pushed, Side};
use super::KEYS;

/// Lines that a region begins on.
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "it is only there to be room")] [u8; 64]);

fn region(bytes: usize) -> Mapped {
    let lines: Vec<Line> = (0..bytes.div_ceil(64)).map(|_| Line([0; 64])).collect();
    let base = NonNull::from(Box::leak(lines.into_boxed_slice())).cast();
    // SAFETY: so many bytes are there for ever, and nothing else knows of them.
    unsafe { Mapped::new(base, bytes, Arc::new(())) }
}

#[test]
fn bytes_come_back_from_every_place_in_every_length() {
    let memory = region(2_048);
    let bytes: Vec<u8> = (0..1_024).map(|at| (at % 251) as u8).collect();
    let mut back = Vec::new();
    let lengths = if cfg!(miri) { vec![0, 1, 3, 4, 5, 8, 15, 16, 17, 63] } else { (0..1_024).collect() };
    for at in 0..17 {
        for &len in &lengths {
            memory.copy_in(at, &vec![0xFF; len + 16]);
            memory.copy_in(at, &bytes[..len]);
            back.clear();
            memory.copy_out(at, len + 16, &mut back);
            assert!(back[..len] == bytes[..len] && back[len..] == [0xFF; 16], "{len} bytes at {at}");
        }
    }
}

#[test]
fn copies_are_appended() {
    let memory = region(64);
    let mut into = b"abc".to_vec();
    memory.copy_in(7, b"defg");
    memory.copy_out(7, 4, &mut into);
    assert_eq!(into, b"abcdefg");
}

#[test]
fn words_and_bytes_are_the_same_memory() {
    let memory = region(64);
    memory.store(8, u32::from_ne_bytes(*b"word"), Store::Stamp);
    let mut back = Vec::new();
    memory.copy_out(8, 4, &mut back);
    assert_eq!(back, b"word");
    assert_eq!(memory.load(8, Load::Stamp), u32::from_ne_bytes(*b"word"));
}

#[test]
fn nothing_beyond_the_region_is_touched() {
    let memory = region(64);
    let accesses: [(&str, &dyn Fn()); 6] = [
        ("a word behind the end", &|| _ = memory.load(64, Load::Head)),
        ("a word at no multiple of four", &|| _ = memory.load(2, Load::Head)),
        ("a store far behind", &|| memory.store(usize::MAX - 3, 0, Store::Head)),
        ("bytes over the end", &|| memory.copy_in(60, &[0; 5])),
        ("bytes from over the end", &|| memory.copy_out(65, 0, &mut Vec::new())),
        ("more bytes than there are numbers", &|| memory.copy_out(8, usize::MAX, &mut Vec::new())),
    ];
    for (name, access) in accesses {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(access));
        assert!(result.is_err(), "{name}");
    }
}

#[test]
fn frames_go_between_two_threads() {
    let _watchdog = Watchdog::new(Duration::from_secs(300));
    let layout = Layout::new(128 * 1024).unwrap();
    let memory = region(layout.size());
    let frames = if cfg!(miri) { 30 } else { 20_000 };
    let mut here = Ends::new(memory.clone(), layout, Side::Listener, KEYS);
    let mut there = Ends::new(memory, layout, Side::Connector, KEYS);
    let size = |number: usize| number * 13 % 1_500;
    thread::scope(|threads| {
        threads.spawn(move || {
            for number in 0..frames {
                while here.producer.push(&[number as u8; 16], &vec![number as u8; size(number)])
                    == Ok(Pushed::Full)
                {
                    thread::yield_now();
                }
            }
        });
        let mut frame = Vec::new();
        for number in 0..frames {
            while there.consumer.pop(&mut frame).unwrap() == Popped::Nothing {
                thread::yield_now();
            }
            assert_eq!(frame, vec![number as u8; 16 + size(number)]);
        }
    });
}
