//! What is said before a hello that is in order.

use farcall_core::testkit::Chance;

use crate::attacks::messages::PROTOCOL;
use crate::end::End;
use crate::frames::{self, ADD, CALL, CANCEL, CLOSE, ERROR, OPEN, PING};
use crate::siege::LEFT;
use crate::visitors::Outcome::{Either, Ends};
use crate::visitors::{Attack, attack};

/// Who attacks is not known yet, and the victim's goodbye is all that is heard.
pub(crate) const ATTACKS: &[Attack] = &[
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
