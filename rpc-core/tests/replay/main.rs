//! A recorded conversation, replayed with every truncation and every single bit flipped: never a panic, a hang, or
//! memory beyond a bound.

mod actor;

use std::time::Duration;

use allocation_counter::measure;
use farcall_core::proto::Role;
use farcall_core::testkit::{Cut, Watchdog, Wires};
use farcall_core::wire::Kind;

use actor::{Actor, Ending};

/// Bytes that a replay may hold at its worst: reading buffers, first buffers of two messages, and small things.
const BUDGET: u64 = 1024 * 1024;

const STEPS: usize = 8;

/// What one side said in each step of a conversation.
struct Tape {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// A conversation that meets every kind of frame, from the connecting side and from the accepting one.
fn record() -> [Tape; 2] {
    let wires = Wires::new();
    let mut caller = Actor::new(Role::Connecting, wires.stream(0));
    let mut callee = Actor::new(Role::Accepting, wires.stream(1));
    let mut ends = [Vec::new(), Vec::new()];
    for step in 0..STEPS {
        for _ in 0..4 {
            caller.turn();
            callee.turn();
        }
        for actor in [&mut caller, &mut callee] {
            actor.act(step);
            actor.flush();
        }
        for (way, ends) in ends.iter_mut().enumerate() {
            ends.push(wires.tape(way).len());
        }
    }
    let [first, second] = ends;
    [Tape { bytes: wires.tape(0), ends: first }, Tape { bytes: wires.tape(1), ends: second }]
}

/// Replays bytes to a fresh machine of this role, at the pace of the recording.
fn replay(role: Role, bytes: &[u8], ends: &[usize]) -> Ending {
    let wires = Wires::new();
    let (way, side) = if role == Role::Accepting { (0, 1) } else { (1, 0) };
    let mut actor = Actor::new(role, wires.stream(side));
    let mut fed = 0;
    for (step, end) in ends.iter().enumerate() {
        let end = (*end).min(bytes.len());
        wires.feed(way, &bytes[fed..end]);
        fed = end;
        actor.turn();
        actor.act(step);
        actor.flush();
    }
    wires.cut(Cut::Clean);
    actor.turn();
    actor.end()
}

fn replay_within_budget(role: Role, bytes: &[u8], ends: &[usize], what: &dyn Fn() -> String) -> Ending {
    let mut ending = None;
    let peak = measure(|| ending = Some(replay(role, bytes, ends))).bytes_max;
    let ending = ending.expect("the replay has ended");
    assert!(peak <= BUDGET, "{peak} bytes for {}", what());
    ending
}

#[test]
fn the_recording_meets_every_kind_of_frame() {
    let kinds: Vec<Kind> = record().iter().flat_map(|tape| actor::kinds(&tape.bytes)).collect();
    for kind in [
        Kind::Hello,
        Kind::Open,
        Kind::Opened,
        Kind::Call,
        Kind::Reply,
        Kind::Error,
        Kind::Cancel,
        Kind::Cancelled,
        Kind::Abort,
        Kind::Ping,
        Kind::Pong,
        Kind::Drain,
        Kind::Close,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is missing in {kinds:?}");
    }
}

#[test]
fn the_recording_replays_as_it_was() {
    for (role, tape) in [Role::Accepting, Role::Connecting].into_iter().zip(record()) {
        let ending = replay(role, &tape.bytes, &tape.ends);
        assert!(ending.violation.is_none(), "{ending:?}");
        assert!(ending.requests > 0 && ending.verdicts > 0, "{ending:?}");
    }
}

#[test]
fn every_truncation_is_an_early_end() {
    let _watchdog = Watchdog::new(Duration::from_secs(60));
    for (role, tape) in [Role::Accepting, Role::Connecting].into_iter().zip(record()) {
        for size in 0..tape.bytes.len() {
            let ending =
                replay_within_budget(role, &tape.bytes[..size], &tape.ends, &|| format!("{size} bytes"));
            assert!(ending.violation.is_none(), "{size} bytes: {ending:?}");
        }
    }
}

#[test]
fn every_flipped_bit_ends_in_an_error_or_in_well_formed_values() {
    let _watchdog = Watchdog::new(Duration::from_secs(120));
    let mut refused = 0_usize;
    for (role, tape) in [Role::Accepting, Role::Connecting].into_iter().zip(record()) {
        let mut bytes = tape.bytes.clone();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let ending = replay_within_budget(role, &bytes, &tape.ends, &|| format!("bit {bit} of {role:?}"));
            refused += usize::from(ending.violation.is_some());
            assert!(ending.verdicts <= ending.calls, "bit {bit}: {ending:?}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(refused > 1_000, "hardly any flip was noticed: {refused}");
}
