//! Servers that answer what nobody asked, or nothing, or too much.

use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_setfl};
use rustix::net::{Shutdown, shutdown};

use crate::attacks::bells::{await_sleep, flood};
use crate::end::{END, End};
use crate::frames::{
    self, CALL, CANCELLED, CLOSE, CONTINUED, DRAIN, ERROR, Frame, LARGEST, MORE, PING, REPLY,
};
use crate::hosts::Act::{Call, Greeting};
use crate::hosts::{Trap, trap};

/// What a victim is told that was answered after all.
const SERVED: &str = "0 bytes";

pub(crate) const TRAPS: &[Trap] = &[
    trap(
        "a hello of another version",
        &["the peer speaks versions"],
        Greeting(|end, chance| {
            let (low, high) = chance.pick(&[(2, 3), (0, 0), (u16::MAX, u16::MAX)]);
            end.say(&frames::hello_of(low, high, "bincode"));
        }),
    ),
    trap(
        "a hello with another codec",
        &["the peer answered with the codec"],
        Greeting(|end, chance| {
            end.say(&frames::hello_of(1, 1, chance.pick(&["", "json", "\u{1b}[2J\nall is well"])));
        }),
    ),
    trap(
        "the victim's own hello",
        &["echoes what it is sent", "of both sides"],
        Greeting(|end, chance| {
            let mut hello = frames::hello();
            hello[frames::HELLO_FLAGS] |= chance.pick(&[2, 6]);
            end.say(&hello);
        }),
    ),
    trap(
        "no hello",
        &["the first frame is not a hello"],
        Greeting(|end, chance| {
            end.say(&frames::bare(chance.pick(&[CALL, REPLY, PING, DRAIN]), 1));
        }),
    ),
    trap(
        "the end instead of a hello",
        &["PeerGone"],
        Greeting(|end, _| {
            end.show(end.seal(end.written), END, 0);
            end.ring();
        }),
    ),
    trap(
        "a goodbye instead of a hello, in colours",
        &["all is well"],
        Greeting(|end, _| {
            end.say(&frames::frame(CLOSE, 0, 0, 0, 0, &error(3, 1, "\u{1b}[2J\nall is well")));
        }),
    ),
    trap(
        "verdicts for nobody",
        &["which waits for none"],
        Call(|end, call, chance| {
            let number = call.call() ^ (1 + chance.below(1 << 20) as u64);
            end.say(&frames::frame(chance.pick(&[REPLY, CANCELLED]), 0, 0, 0, number, &[0]));
        }),
    ),
    trap(
        "two verdicts for one call",
        &[SERVED, "which waits for none"],
        Call(|end, call, _| {
            let number = finish(end, call);
            end.push(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
            end.say(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
        }),
    ),
    trap(
        "a result that is none",
        &["BadRequest, Completed"],
        Call(|end, call, chance| {
            let number = finish(end, call);
            let claims = [u64::MAX, 1 << 60, 1 << 40, 100, 1 + chance.below(1 << 30) as u64];
            end.say(&frames::frame(REPLY, 0, 0, 0, number, &frames::number(chance.pick(&claims))));
        }),
    ),
    trap(
        "a result above the limit",
        &["the announced limit is"],
        Call(|end, call, chance| {
            let number = finish(end, call);
            let size = 20_000 + chance.below(45_000);
            end.push(&frames::fragment(REPLY, MORE, number, &vec![1; size]));
            while !end.is_over() {
                end.say(&frames::fragment(REPLY, MORE | CONTINUED, number, &vec![1; size]));
            }
        }),
    ),
    trap(
        "a result that does not go on",
        &["DeadlineExceeded"],
        Call(|end, call, chance| {
            let number = finish(end, call);
            end.say(&frames::fragment(REPLY, MORE, number, &vec![1; chance.below(60_000)]));
        }),
    )
    .for_the_hasty(),
    trap(
        "a fragment that continues nothing",
        &["continues no message"],
        Call(|end, call, chance| {
            let number = finish(end, call);
            end.say(&frames::fragment(REPLY, chance.pick(&[CONTINUED, CONTINUED | MORE]), number, &[1]));
        }),
    ),
    trap(
        "an error that claims the call was never sent",
        &["NotExecuted: "],
        Call(|end, call, chance| {
            let number = finish(end, call);
            let code = chance.pick(&[3, 13, 20, 999, 0]);
            end.say(&frames::frame(ERROR, 0, 0, 0, number, &error(code, 0, "believe it")));
        }),
    ),
    trap(
        "an error in colours",
        &["all is well"],
        Call(|end, call, _| {
            let number = finish(end, call);
            end.say(&frames::frame(ERROR, 0, 0, 0, number, &error(20, 3, "\u{1b}[2J\nall is well")));
        }),
    ),
    trap(
        "an error whose lengths lie",
        &["broke the protocol"],
        Call(|end, call, chance| {
            let number = finish(end, call);
            let mut error = error(20, 3, "words");
            error[7..9].copy_from_slice(&(6 + chance.below(60_000) as u16).to_le_bytes());
            end.say(&frames::frame(ERROR, 0, 0, 0, number, &error));
        }),
    ),
    trap(
        "a call of the victim, which serves nothing",
        &["which was never opened"],
        Call(|end, _, chance| {
            end.say(&frames::call(chance.number() | 1, 0, &[1, 2]));
        }),
    ),
    trap(
        "a thousand calls of the victim, whose verdicts nobody reads",
        &[SERVED, "PeerGone"],
        Call(|end, call, _| {
            let number = finish(end, call);
            end.push(&frames::open(1));
            for call in 1..1000 {
                end.push(&frames::call(call, 0, &[1, 2]));
            }
            end.say(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
        }),
    ),
    trap(
        "pings without end",
        &["frames without progress"],
        Call(|end, call, _| {
            finish(end, call);
            while !end.is_over() {
                (0..64).for_each(|_| end.push(&frames::bare(PING, 1)));
                while end.look().is_some() {}
                end.free();
            }
        }),
    ),
    trap(
        "it drains in the middle of a call",
        &[SERVED, "Draining"],
        Call(|end, call, chance| {
            end.say(&frames::bare(DRAIN, chance.pick(&[0, 1, u64::MAX])));
            answer(end, call);
        }),
    )
    .for_calls_of(&[5]),
    trap(
        "a record is longer than any frame",
        &["a record of"],
        Call(|end, _, chance| {
            end.show(end.seal(end.written), chance.pick(&[LARGEST + 1, 1 << 31, END - 1]), 0);
            end.ring();
        }),
    ),
    trap(
        "a reserved word is not zero",
        &["reserved word"],
        Call(|end, _, chance| {
            end.show(end.seal(end.written), 16, 1 << chance.below(32));
            end.ring();
        }),
    ),
    trap(
        "more is freed than was ever used",
        &["freed room"],
        Call(|end, _, chance| {
            let beyond = 40_000 + chance.below(1 << 30) as u32;
            end.region.store(end.mine().freed, beyond);
            end.ring();
        }),
    )
    .for_calls_of(&[900_000]),
    trap(
        "the count of what is taken lies",
        &["PeerGone"],
        Call(|end, _, chance| {
            end.region.store(end.mine().taken, chance.number() as u32);
            shutdown(&end.terms.socket, Shutdown::Both).expect("a socket");
        }),
    ),
    trap(
        "the bell rings without end",
        &["for nothing", SERVED],
        Call(|end, call, _| {
            let number = finish(end, call);
            flood(end, |end| end.ring());
            end.push(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
        }),
    ),
    trap(
        "the bell is withheld",
        &["DeadlineExceeded", SERVED],
        Call(|end, call, chance| {
            let number = finish(end, call);
            await_sleep(end);
            end.push(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
            if chance.hits(1, 2) {
                end.region.store(end.mine().seen, end.region.load(end.theirs().sleep));
            }
        }),
    )
    .for_the_hasty(),
    trap(
        "the bells are made to block",
        &[SERVED],
        Call(|end, call, _| {
            fcntl_setfl(&end.terms.socket, OFlags::empty()).expect("a socket");
            for bell in end.terms.bells.iter().flatten() {
                fcntl_setfl(bell, OFlags::empty()).expect("a bell");
            }
            answer(end, call);
        }),
    ),
    trap(
        "it lets go in the middle",
        &["PeerGone"],
        Call(|end, _, chance| {
            shutdown(&end.terms.socket, chance.pick(&[Shutdown::Both, Shutdown::Write])).expect("a socket");
        }),
    ),
    trap(
        "all of the memory is noise",
        &["PeerGone", "DeadlineExceeded"],
        Call(|end, _, chance| {
            for at in (0..end.region.bytes()).step_by(4) {
                end.region.store(at, chance.number() as u32);
            }
            end.ring();
        }),
    )
    .for_the_hasty(),
    trap(
        "holes are punched into the memory",
        &["PeerGone", "DeadlineExceeded", SERVED],
        Call(|end, call, _| {
            let bytes = end.region.bytes() as u64;
            fallocate(&end.terms.memory, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, bytes)
                .expect("no seal forbids it");
            end.free();
            end.say(&frames::frame(REPLY, 0, 0, 0, call.call(), &[0]));
        }),
    )
    .for_the_hasty(),
    trap(
        "verdicts with flipped bits",
        &[
            SERVED,
            "PeerGone",
            "BadRequest",
            "DeadlineExceeded",
            "Completed",
            "Unsupported",
            "Internal",
            "Cancelled",
        ],
        Call(|end, call, chance| {
            let number = finish(end, call);
            let mut reply = frames::frame(REPLY, 0, 0, 0, number, &[0]);
            let bit = chance.below(reply.len() * 8);
            reply[bit / 8] ^= 1 << (bit % 8);
            end.say(&reply);
        }),
    )
    .for_the_hasty(),
];

/// The payload of an error.
fn error(code: u16, fate: u8, text: &str) -> Vec<u8> {
    let mut payload = code.to_le_bytes().to_vec();
    payload.extend([fate, 0, 0, 0, 0]);
    payload.extend((text.len() as u16).to_le_bytes());
    payload.extend(text.as_bytes());
    payload
}

/// Hears the rest of a call that has begun; its number.
fn finish(end: &mut End, call: &Frame) -> u64 {
    let mut has_more = call.0[1] & MORE != 0;
    while has_more && let Some(fragment) = end.await_kind(CALL) {
        has_more = fragment.0[1] & MORE != 0;
    }
    call.call()
}

/// Serves a call as the rules are.
fn answer(end: &mut End, call: &Frame) {
    let number = finish(end, call);
    end.say(&frames::frame(REPLY, 0, 0, 0, number, &[0]));
}
