//! The scenarios: small stories of two sides, each with what must hold at its end.

use std::sync::Arc;

use loom::thread;

use super::super::super::layout::{self, Layout};
use super::super::super::{Ends, Popped, Pushed, Side};
use super::super::KEYS;
use super::memory::{Bell, Modelled, Mutant};

type End = Ends<Arc<Modelled>>;

/// A story under its name.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    story: fn(Option<Mutant>),
}

impl Scenario {
    pub(super) fn run(self, mutant: Option<Mutant>) {
        (self.story)(mutant);
    }
}

pub(super) const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "frames to one who polls", story: data },
    Scenario { name: "a stamp that was there by chance", story: stale_stamp },
    Scenario { name: "a check that was there by chance", story: stale_check },
    Scenario { name: "lines written again", story: lines_written_again },
    Scenario { name: "a consumer sleeps", story: consumer_sleeps },
    Scenario { name: "a producer sleeps", story: producer_sleeps },
    Scenario { name: "a producer sleeps for a large frame", story: producer_sleeps_for_a_large_frame },
    Scenario { name: "a producer sleeps beside an answer", story: producer_sleeps_beside_an_answer },
    Scenario { name: "question and answer, both sleep", story: question_and_answer },
    Scenario { name: "a death, and what was taken", story: death },
];

/// Lines of the ring, of which one is kept for the end.
const TINY: usize = 4;

fn pair(mutant: Option<Mutant>, layout: Layout, stale: &[(usize, u32)]) -> (End, End) {
    let memory = Modelled::new(layout, mutant, stale);
    let ends = |side| Ends::new(memory.clone(), layout, side, KEYS);
    (ends(Side::Listener), ends(Side::Connector))
}

fn tiny() -> Layout {
    Layout::tiny(TINY, 32)
}

/// The frame of this number: the number, twice.
fn push(end: &mut End, number: u32) -> Pushed {
    let word = number.to_le_bytes();
    end.producer.push(&word, &word).unwrap()
}

fn pop(end: &mut End) -> Result<u32, Popped> {
    let mut frame = Vec::new();
    match end.consumer.pop(&mut frame).unwrap() {
        Popped::Frame => {
            let (first, second) = frame.split_at(4);
            assert_eq!(first, second, "a torn frame");
            Ok(u32::from_le_bytes(first.try_into().unwrap()))
        }
        other => Err(other),
    }
}

/// Polls some times beside a producer of so many frames, and takes the rest when it is done.
fn poll_beside(stale: &[(usize, u32)], frames: u32, mutant: Option<Mutant>) {
    let (mut here, mut there) = pair(mutant, tiny(), stale);
    let writer = thread::spawn(move || {
        for number in 1..=frames {
            assert_eq!(push(&mut here, number), Pushed::Taken);
        }
        here.producer.close();
    });
    let mut next = 1;
    for _ in 0..3 {
        if let Ok(number) = pop(&mut there) {
            assert_eq!(number, next);
            next += 1;
        }
    }
    writer.join().unwrap();
    while let Ok(number) = pop(&mut there) {
        assert_eq!(number, next);
        next += 1;
    }
    assert_eq!((pop(&mut there), next), (Err(Popped::Closed), frames + 1));
}

fn data(mutant: Option<Mutant>) {
    poll_beside(&[], 3, mutant);
}

fn stale_stamp(mutant: Option<Mutant>) {
    let (stamp, _) = layout::seal(KEYS.from_listener, 0);
    poll_beside(&[(tiny().ring_of(Side::Listener), stamp)], 1, mutant);
}

fn stale_check(mutant: Option<Mutant>) {
    let (_, check) = layout::seal(KEYS.from_listener, 0);
    poll_beside(&[(tiny().ring_of(Side::Listener) + layout::CHECK, check)], 1, mutant);
}

/// The ring is full: what is pushed now goes where something has just been taken.
fn lines_written_again(mutant: Option<Mutant>) {
    let (mut here, mut there) = pair(mutant, tiny(), &[]);
    for number in 1..TINY as u32 {
        assert_eq!(push(&mut here, number), Pushed::Taken);
    }
    assert_eq!(push(&mut here, 9), Pushed::Full);
    let reader = thread::spawn(move || {
        assert_eq!(pop(&mut there), Ok(1));
        assert_eq!(pop(&mut there), Ok(2));
        there
    });
    let mut last = 3;
    for number in [4, 5] {
        if push(&mut here, number) == Pushed::Taken {
            last = number;
        } else {
            break;
        }
    }
    let mut there = reader.join().unwrap();
    for number in 3..=last {
        assert_eq!(pop(&mut there), Ok(number));
    }
}

/// Sends, ringing for each, and sleeps for room.
fn send_all(end: &mut End, frames: &[&[u8]], own: &Bell, others: &Bell) {
    for frame in frames {
        while end.producer.push(frame, &[]).unwrap() == Pushed::Full {
            end.rest.announce();
            if !end.producer.has_room(frame.len()).unwrap() {
                own.wait();
            }
            end.rest.awake();
        }
        if end.must_ring(true) {
            others.ring();
        }
    }
}

/// Takes until the end, and sleeps for frames.
fn take_all(end: &mut End, own: &Bell, others: &Bell) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut frame = Vec::new();
        match end.consumer.pop(&mut frame).unwrap() {
            Popped::Frame => all.push(frame),
            Popped::Begun(_) => unreachable!("frames are taken whole"),
            Popped::Closed => return all,
            Popped::Nothing => {
                if end.must_ring(false) {
                    others.ring();
                }
                end.rest.announce();
                if !end.consumer.is_ready() {
                    own.wait();
                }
                end.rest.awake();
            }
        }
    }
}

/// One side sends these and closes, the other takes them, and whoever has nothing to do sleeps.
fn send_and_take(layout: Layout, frames: &[&'static [u8]], mutant: Option<Mutant>) {
    let (mut here, mut there) = pair(mutant, layout, &[]);
    let bells = (Bell::new(), Bell::new());
    let writer = thread::spawn({
        let (bells, frames) = (bells.clone(), frames.to_vec());
        move || {
            send_all(&mut here, &frames, &bells.0, &bells.1);
            here.producer.close();
            if here.must_ring(true) {
                bells.1.ring();
            }
        }
    });
    assert_eq!(take_all(&mut there, &bells.1, &bells.0), frames);
    writer.join().unwrap();
}

fn consumer_sleeps(mutant: Option<Mutant>) {
    send_and_take(tiny(), &[b"one."], mutant);
}

fn producer_sleeps(mutant: Option<Mutant>) {
    send_and_take(tiny(), &[b"one.", b"two.", b"three...", b"four"], mutant);
}

/// Room is told in quarters: one frame of a quarter stands before one of three.
fn producer_sleeps_for_a_large_frame(mutant: Option<Mutant>) {
    const LONGEST: usize = 6 * layout::LINE - layout::HEAD;
    send_and_take(Layout::tiny(8, LONGEST), &[&[1; layout::LINE], &[2; LONGEST]], mutant);
}

/// Whoever waits for room has taken the frame that the other side is about to ring for.
fn producer_sleeps_beside_an_answer(mutant: Option<Mutant>) {
    const LONGEST: usize = 12 * layout::LINE - layout::HEAD;
    let (mut here, mut there) = pair(mutant, Layout::tiny(16, LONGEST), &[]);
    let bell = Bell::new();
    for number in 0..4 {
        push(&mut here, number);
    }
    let reader = thread::spawn({
        let bell = bell.clone();
        move || {
            push(&mut there, 9);
            for number in 0..4 {
                assert_eq!(pop(&mut there), Ok(number));
                if number >= 2 && there.must_ring(number == 2) {
                    bell.ring();
                }
            }
        }
    });
    let _ = pop(&mut here);
    send_all(&mut here, &[&[1; LONGEST]], &bell, &bell);
    reader.join().unwrap();
}

fn question_and_answer(mutant: Option<Mutant>) {
    let (mut here, mut there) = pair(mutant, tiny(), &[]);
    let bells = (Bell::new(), Bell::new());
    let wait_for = |end: &mut End, own: &Bell| loop {
        if let Ok(number) = pop(end) {
            return number;
        }
        end.rest.announce();
        if !end.consumer.is_ready() {
            own.wait();
        }
        end.rest.awake();
    };
    let answers = thread::spawn({
        let bells = bells.clone();
        move || {
            let number = wait_for(&mut there, &bells.1);
            assert_eq!(push(&mut there, number + 1), Pushed::Taken);
            if there.must_ring(true) {
                bells.0.ring();
            }
        }
    });
    assert_eq!(push(&mut here, 1), Pushed::Taken);
    if here.must_ring(true) {
        bells.1.ring();
    }
    assert_eq!(wait_for(&mut here, &bells.0), 2);
    answers.join().unwrap();
}

/// The consumer ends after some frames; what it took before that is known exactly, and never too little meanwhile.
fn death(mutant: Option<Mutant>) {
    let (mut here, mut there) = pair(mutant, tiny(), &[]);
    let dies = thread::spawn(move || (0..2).filter(|_| pop(&mut there).is_ok()).count() as u64);
    for number in 0..3 {
        push(&mut here, number);
    }
    let meanwhile = here.producer.taken().unwrap();
    let taken = dies.join().unwrap();
    assert!(meanwhile <= taken);
    assert_eq!(here.producer.taken(), Ok(taken));
}
