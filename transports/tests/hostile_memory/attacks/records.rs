//! Records that are none, and words that lie.

use farcall_core::testkit::Chance;

use crate::end::{END, End};
use crate::frames::{self, LARGEST};
use crate::siege::LEFT;
use crate::visitors::Outcome::{Either, Ends, Lives};
use crate::visitors::{Attack, attack};

pub(crate) const ATTACKS: &[Attack] = &[
    attack("more is freed than was ever used", Ends(&["freed room"]), |end, chance| {
        let freed = end.region.load(end.mine().freed);
        gorge(end);
        // Wherever the victim is by now, which may have found room for one more frame, it cannot be there.
        let lines = end.lines() as u32;
        let beyond = chance.pick(&[0, 1, 2, lines - 1, lines, u32::MAX / 2 - lines]);
        end.region.store(end.mine().freed, freed.wrapping_add(lines).wrapping_add(beyond));
        end.knock();
    }),
    attack("what is freed goes back", Ends(&["freed room"]), |end, chance| {
        gorge(end);
        end.free();
        gorge_on(end);
        let freed = end.region.load(end.mine().freed);
        let back = 1 + chance.below(freed as usize) as u32;
        end.region.store(end.mine().freed, freed.wrapping_sub(back));
        end.knock();
    }),
    attack("the index of what is freed is any number", Either(&["freed room"]), |end, chance| {
        gorge(end);
        end.region.store(end.mine().freed, chance.number() as u32);
        end.knock();
    }),
    attack("the count of what is taken lies", Lives, |end, chance| {
        end.region.store(end.mine().taken, chance.number() as u32);
        end.knock();
    }),
    attack("a record is longer than any frame", Ends(&["a record of"]), |end, chance| {
        let random = LARGEST + 1 + chance.below((END - LARGEST - 2) as usize) as u32;
        let length = chance.pick(&[LARGEST + 1, 131_072, 131_073, 1 << 31, END - 1, random]);
        end.show(end.seal(end.written), length, 0);
        end.knock();
    }),
    attack("a reserved word is not zero", Ends(&["reserved word"]), |end, chance| {
        let word = chance.number() as u32 | 1 << chance.below(32);
        end.lay(&frames::call(1 << 40, frames::ADD, &[1, 2]));
        end.show(end.seal(end.written), 18, word);
        end.knock();
    }),
    attack("a record is too short for a header", Ends(&["a header is cut off"]), |end, chance| {
        let bytes = chance.below(16);
        end.say(&frames::call(1 << 40, frames::ADD, &[1, 2])[..bytes]);
    }),
    attack("a record tells of more bytes than were written", Lives, |end, chance| {
        let length = 18 + chance.below(65_000) as u32;
        let number = end.number();
        end.lay(&frames::call(number, frames::ADD, &[1, 2]));
        end.show(end.seal(end.written), length, 0);
        end.written += (u64::from(length) + 16).div_ceil(64);
        end.knock();
        assert_eq!(end.hear().map(|verdict| verdict.call()), Some(number));
    }),
    attack("a false length stands at the ring's end", Ends(&["a record of"]), |end, chance| {
        let last = end.lines() - 1 - chance.below(3) as u64;
        while end.written < last {
            // Frames of a kind that nobody knows are passed over, here in as many lines as are left at most.
            let lines = (last - end.written).min(1000) as usize;
            end.say(&frames::frame(200, 0, 0, 0, 0, &vec![0; lines * 64 - 32]));
        }
        end.show(end.seal(end.written), chance.pick(&[LARGEST + 1, END - 1]), 0);
        end.knock();
    }),
    attack("the end comes before more", Ends(&LEFT), |end, chance| {
        end.show(end.seal(end.written), END, 0);
        end.written += 1;
        for _ in 0..chance.below(20) {
            end.push(&frames::bare(frames::PING, 1));
        }
        end.knock();
    }),
    attack("the check is wrong where the stamp is right", Lives, |end, chance| {
        let (stamp, check) = end.seal(end.written);
        unseen(end, chance, (stamp, check ^ (1 << chance.clone().below(32))));
    }),
    attack("the stamp is wrong where the check is right", Lives, |end, chance| {
        let (stamp, check) = end.seal(end.written);
        unseen(end, chance, (stamp ^ (1 << chance.clone().below(32)), check));
    }),
    attack("stamps of other lines are shown again", Lives, |end, chance| {
        let line = end.written;
        let others = [line.wrapping_sub(end.lines()), line + end.lines(), line + 1, line - 1, 0];
        let seal = end.seal(chance.pick(&others));
        unseen(end, chance, seal);
    }),
    attack("a line is left out", Lives, |end, chance| {
        let here = end.written;
        end.written += 1 + chance.below(8) as u64;
        end.lay(&frames::bare(255, 1));
        end.show(end.seal(end.written), 16, 0);
        end.knock();
        end.written = here;
    }),
    attack("the other side's words are overwritten", Lives, |end, chance| {
        let theirs = end.theirs();
        for at in [theirs.taken, theirs.seen, theirs.sleep] {
            end.region.store(at, chance.number() as u32);
        }
        end.knock();
    }),
    attack("the other side's ring is overwritten", Lives, |end, chance| {
        let (ring, noise) = (crate::end::WORDS, chance.number() as u32);
        for at in (ring..ring + end.terms.ring).step_by(4) {
            end.region.store(at, noise ^ at as u32);
        }
    }),
    attack("all of the memory is noise", Either(ANY), |end, chance| {
        for at in (0..end.region.bytes()).step_by(4) {
            end.region.store(at, chance.number() as u32);
        }
        end.ring();
        end.written += chance.below(4) as u64;
        end.show(end.seal(end.written), chance.number() as u32, 0);
        end.ring();
    }),
];

/// Whatever may come of bytes that chance has made.
const ANY: &[&str] = &["freed room", "a record of", "reserved word", "the peer broke the protocol"];

/// Shows a record with this seal, which is none, rings for it, and takes it back.
fn unseen(end: &mut End, chance: &mut Chance, seal: (u32, u32)) {
    end.lay(&chance.number().to_le_bytes());
    end.show(seal, chance.number() as u32, chance.number() as u32);
    for _ in 0..chance.below(10) {
        end.knock();
    }
    // Nothing has come of it: the same line can still be used.
    assert!(end.look().is_none() && !end.is_over());
}

/// Has the victim write until the ring towards here is full, without giving any room back; how far it has written.
fn gorge(end: &mut End) -> u32 {
    for _ in 0..4 {
        let number = end.number();
        end.push(&frames::call(number, frames::BLOB, &frames::number(100_000)));
    }
    end.knock();
    gorge_on(end)
}

/// Reads until the victim sleeps for want of room; how far it has written.
fn gorge_on(end: &mut End) -> u32 {
    let freed = end.region.load(end.mine().freed);
    loop {
        while end.look().is_some() {}
        // A largest frame finds no room.
        if u64::from((end.read as u32).wrapping_sub(freed)) + 1029 >= end.lines() {
            return end.read as u32;
        }
        assert!(!end.is_over(), "the victim has let go");
        std::thread::yield_now();
    }
}
