//! Frames in records that are in order, and what they say is not.

use farcall_core::testkit::Chance;

use crate::end::End;
use crate::frames::{
    self, ABORT, ADD, BLOB, CALL, CANCEL, CANCELLED, CLOSE, CONTINUED, DONE, DRAIN, ERROR, HANG, MORE, OPEN,
    OPENED, PING, REPLY,
};
use crate::siege::LEFT;
use crate::victim::MESSAGE;
use crate::visitors::Outcome::{Either, Ends, Lives};
use crate::visitors::{Attack, attack};

pub(crate) const ATTACKS: &[Attack] = &[
    attack("a second hello", Ends(&["a second hello"]), |end, _| end.say(&frames::hello())),
    attack("a kind that is reserved", Ends(&["of the reserved kind"]), |end, chance| {
        end.say(&frames::bare(chance.pick(&[0, 15, 16, 100, 127]), 1));
    }),
    attack("one-way calls end that were never made", Ends(&["an end of one-way calls"]), |end, chance| {
        end.say(&frames::bare(DONE, chance.number()));
    }),
    attack("flags that nobody knows", Ends(&["unknown flags"]), |end, chance| {
        let flag = chance.pick(&[0x08, 0x20, 0x40, 0x80]);
        end.say(&frames::frame(chance.pick(&[CANCEL, ABORT, PING, REPLY]), flag, 0, 0, 1, &[]));
    }),
    attack("frames that bring nothing, without end", Ends(&["frames without progress"]), |end, chance| {
        let idle = [
            frames::bare(PING, chance.number()),
            frames::bare(12, 1),
            frames::bare(CANCEL, 1 << 50),
            frames::bare(128 + chance.below(128) as u8, 1),
        ];
        let idle = &idle[chance.below(4)];
        while !end.is_over() {
            (0..64).for_each(|_| end.push(idle));
            while end.look().is_some() {}
            end.free();
        }
    }),
    attack("a call's number comes again", Ends(&["call numbers must grow"]), |end, chance| {
        let number = end.number() + chance.below(1000) as u64;
        end.push(&frames::call(number, ADD, &[1, 2]));
        end.say(&frames::call(number - chance.below(2) as u64, ADD, &[1, 2]));
    }),
    attack("more calls than the window", Ends(&["calls without a verdict"]), |end, chance| {
        for number in 0..300 {
            end.push(&frames::call((number + 2) << 16, HANG, &[]));
        }
        end.push(&frames::bare(CANCEL, chance.number()));
        end.knock();
    }),
    attack("a call of a service that was never opened", Ends(&["which was never opened"]), |end, chance| {
        let object = chance.pick(&[0, 2, u32::MAX, chance.clone().number() as u32 | 2]);
        end.say(&frames::frame(CALL, 0, 0, object, 1 << 40, &[1, 2]));
    }),
    attack("services are not numbered one by one", Ends(&["numbered one by one"]), |end, chance| {
        let object = chance.pick(&[0, 1, 3, u32::MAX, 3 + chance.clone().below(1 << 20) as u32]);
        end.say(&frames::open(object));
    }),
    attack("more services than anybody has", Ends(&["services opened"]), |end, _| {
        for object in 2..1030 {
            end.say(&frames::open(object));
            while end.look().is_some() {}
            end.free();
        }
    }),
    attack("an opening whose lengths lie", Ends(&["the peer broke the protocol"]), |end, chance| {
        let mut open = frames::open(2);
        let cut = chance.below(open.len() - 17);
        match chance.below(3) {
            0 => open[16] = 200 + chance.below(56) as u8,
            1 => open[23..25].copy_from_slice(&u16::MAX.to_le_bytes()),
            _ => open.truncate(16 + cut),
        }
        end.say(&open);
    }),
    attack(
        "an answer to an opening that was never made",
        Ends(&["an answer to no opening"]),
        |end, chance| {
            let object = chance.number() as u32;
            end.say(&frames::frame(OPENED, 0, 0, object, 0, &[0, 0, 0, 0, 0]));
        },
    ),
    attack("verdicts for nobody", Ends(&["which waits for none"]), |end, chance| {
        let verdict = [(REPLY, vec![1]), (ERROR, vec![20, 0, 1, 0, 0, 0, 0, 0, 0]), (CANCELLED, vec![3])];
        let (kind, payload) = &verdict[chance.below(3)];
        end.say(&frames::frame(*kind, 0, 0, 0, chance.number(), payload));
    }),
    attack("a giant reply in fragments, for nobody", Ends(&["which waits for none"]), |end, chance| {
        end.say(&frames::fragment(REPLY, MORE, chance.number(), &[0; 60_000]));
    }),
    attack("a message above the limit", Ends(&["the announced limit is"]), |end, chance| {
        let (number, size) = (end.number(), 20_000 + chance.below(45_000));
        end.push(&frames::fragment(CALL, MORE, number, &vec![1; size]));
        for _ in 0..=MESSAGE / size {
            end.say(&frames::fragment(CALL, MORE | CONTINUED, number, &vec![1; size]));
        }
    }),
    attack("fragments that hold nothing", Ends(&["frames without progress"]), |end, _| {
        let number = end.number();
        end.push(&frames::fragment(CALL, MORE, number, &[]));
        while !end.is_over() {
            (0..64).for_each(|_| end.push(&frames::fragment(CALL, MORE | CONTINUED, number, &[])));
            end.knock();
        }
    }),
    attack("a fragment that continues nothing", Ends(&["continues no message"]), |end, chance| {
        let flags = chance.pick(&[CONTINUED, CONTINUED | MORE]);
        end.say(&frames::fragment(CALL, flags, chance.number(), &[1, 2]));
    }),
    attack("a call begins within another's fragments", Ends(&["a call began before"]), |end, chance| {
        let number = end.number();
        end.push(&frames::fragment(CALL, MORE, number, &[1; 100]));
        let flags = chance.pick(&[0, MORE]);
        end.say(&frames::fragment(CALL, flags, number + 1, &[1, 2]));
    }),
    attack("a call is aborted that had not begun", Ends(&["a call that had not begun"]), |end, chance| {
        end.say(&frames::bare(ABORT, chance.number()));
    }),
    attack("a call is left in the middle", Lives, |end, chance| {
        let number = end.number();
        end.push(&frames::fragment(CALL, MORE, number, &vec![1; chance.below(60_000)]));
        end.say(&frames::bare(ABORT, number));
    }),
    attack("calls that are cancelled as soon as they are made", Lives, |end, chance| {
        for _ in 0..100 + chance.below(100) {
            let number = end.number();
            end.push(&frames::call(number, HANG, &[]));
            end.say(&frames::bare(CANCEL, number));
            while end.look().is_some() {}
            end.free();
        }
    }),
    attack("arguments that are none", Lives, |end, chance| {
        let noise: Vec<u8> = (0..chance.below(200)).map(|_| chance.number() as u8).collect();
        let verdict = end.call(chance.pick(&[ADD, BLOB]), &noise).expect("a verdict");
        assert!([ERROR, REPLY].contains(&verdict.kind()));
    }),
    attack("a method that nobody has", Lives, |end, chance| {
        let method = chance.pick(&[4, 5, u16::MAX, 4 + chance.clone().below(60_000) as u16]);
        let verdict = end.call(method, &[]).expect("a verdict");
        assert_eq!((verdict.kind(), verdict.text().is_empty()), (ERROR, false));
    }),
    attack("options of a call that lie", Either(PROTOCOL), |end, chance| {
        let options: Vec<u8> = (0..chance.below(60)).map(|_| chance.number() as u8).collect();
        let size = chance.pick(&[options.len() as u8, chance.clone().number() as u8]);
        let payload = [&[size, 0], &options[..]].concat();
        end.say(&frames::frame(CALL, 4, ADD, 1, 1 << 40, &payload));
    }),
    attack(
        "a goodbye whose words are none",
        Ends(&["the peer broke the protocol", "Internal", "Cancelled"]),
        |end, chance| {
            let noise: Vec<u8> = (0..chance.below(9)).map(|_| chance.number() as u8).collect();
            end.say(&frames::frame(CLOSE, 0, 0, 0, chance.number(), &noise));
        },
    ),
    attack("it drains what it never served", Lives, |end, chance| {
        end.say(&frames::bare(DRAIN, chance.number()));
    }),
    attack("replies that nobody reads", Either(&[]), |end, _| {
        for number in 0..200 {
            end.push(&frames::call((number + 2) << 16, BLOB, &frames::number(MESSAGE as u64 / 2)));
        }
        end.knock();
        while end.region.load(end.theirs().taken) < 203 && !end.is_over() {
            std::thread::yield_now();
        }
    }),
    attack("bytes that chance has made", Either(PROTOCOL), |end, chance| {
        for _ in 0..20 {
            let noise: Vec<u8> = (0..chance.below(120)).map(|_| chance.number() as u8).collect();
            end.say(&noise);
        }
    }),
    attack("frames with flipped bits", Either(PROTOCOL), |end, chance| {
        for frame in [frames::open(2), frames::call(1 << 40, ADD, &[1, 2]), frames::call(1 << 41, BLOB, &[9])]
        {
            let mut frame = frame;
            let bit = chance.below(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            end.say(&frame);
        }
    }),
];

/// What the protocol says of a breach, or the peer's own goodbye.
const PROTOCOL: &[&str] = &["the peer broke the protocol", "Internal"];

/// Before the hello: who attacks is not known yet, and the victim's goodbye is all that is heard.
pub(crate) const STRANGERS: &[Attack] = &[
    attack("the first frame is no hello", Ends(&["the first frame is not a hello"]), |end, chance| {
        end.say(&frames::bare(chance.pick(&[CALL, OPEN, PING, CANCEL, 200]), 1));
    }),
    attack("a version that nobody speaks", Ends(&["the peer speaks versions"]), |end, chance| {
        let (low, high) = chance.pick(&[(2, 3), (0, 0), (u16::MAX, u16::MAX)]);
        end.say(&frames::hello_of(low, high, "bincode"));
    }),
    attack("a codec that nobody has", Either(&[]), |end, chance| {
        end.push(&frames::hello_of(1, 1, chance.pick(&["", "rot13", "bincode2", "\u{0}\n\u{1b}[2J"])));
        end.push(&frames::open(1));
        let verdict = end.call(ADD, &[1, 2]).expect("each call is refused");
        assert!(
            verdict.kind() == ERROR && verdict.text().contains("does not know the codec"),
            "{}",
            verdict.text()
        );
    }),
    attack("a hello with flipped bits", Either(PROTOCOL), |end, chance| {
        let mut hello = frames::hello();
        let bit = chance.below(hello.len() * 8);
        hello[bit / 8] ^= 1 << (bit % 8);
        end.say(&hello);
    }),
    attack("a hello that is cut", Ends(&["a field is cut off", "magic bytes"]), |end, chance| {
        let hello = frames::hello();
        end.say(&hello[..16 + chance.below(hello.len() - 16)]);
    }),
    attack("a goodbye before the hello", Ends(&LEFT), |end, _| {
        end.say(&frames::frame(CLOSE, 0, 0, 0, 0, &[1, 0, 1, 0, 0, 0, 0, 0, 0]));
    }),
    attack("nothing at all, and gone", Either(&[]), |_: &mut End, _: &mut Chance| {}),
];
