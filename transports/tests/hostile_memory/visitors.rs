//! Attacks of a client upon a server: the table's rows, and how one is carried out.

use farcall_core::testkit::Chance;

use crate::end::End;
use crate::frames;
use crate::rendezvous::{HOSTILE, SAME_USER, visit};
use crate::siege::{LEFT, Siege, rounds};

/// What comes of an attack.
pub(crate) enum Outcome {
    /// The victim ends the connection, for a reason with one of these words.
    Ends(&'static [&'static str]),
    /// No rule is broken: an honest call is answered afterwards.
    Lives,
    /// It depends on who is faster: the victim ends the connection for a reason with one of these words, or it waits.
    Either(&'static [&'static str]),
}

/// One row.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) act: fn(&mut End, &mut Chance),
}

pub(crate) const fn attack(name: &'static str, outcome: Outcome, act: fn(&mut End, &mut Chance)) -> Attack {
    Attack { name, outcome, act }
}

/// Carries out a table, each attack against both kinds of servers and with both trusts.
pub(crate) fn carry_out(attacks: &[Attack]) {
    let mut siege = Siege::lay();
    for attack in attacks {
        siege.suffer(attack.name, rounds(), |siege, round, chance| strike(siege, attack, round, chance));
    }
    siege.lift();
}

/// Which server is attacked in this round, and what is believed.
pub(crate) fn circumstances(round: u64) -> (usize, u8) {
    let host = (round % 2) as usize;
    (host, if round / 2 % 2 == 0 { SAME_USER } else { HOSTILE })
}

fn strike(siege: &Siege, attack: &Attack, round: u64, chance: &mut Chance) {
    let (host, trust) = circumstances(round);
    let mut end = End::new(visit(&siege.door(host), trust));
    let mark = chance.number();
    greet(&mut end, mark);
    (attack.act)(&mut end, chance);
    match attack.outcome {
        Outcome::Ends(reasons) => {
            end.await_end();
            expect(&siege.end_of(host, mark), reasons);
        }
        Outcome::Lives => {
            let is_served = end.is_served();
            assert!(is_served || !end.is_over(), "it has ended: {}", siege.end_of(host, mark));
            assert!(is_served, "an honest call is refused");
            drop(end);
            expect(&siege.end_of(host, mark), &LEFT);
        }
        Outcome::Either(reasons) => {
            drop(end);
            expect(&siege.end_of(host, mark), &[reasons, &LEFT].concat());
        }
    }
}

/// The same before anything has been said: the reason is what the victim's goodbye says.
pub(crate) fn carry_out_by_strangers(attacks: &[Attack]) {
    let mut siege = Siege::lay();
    for attack in attacks {
        siege.suffer(attack.name, rounds(), |siege, round, chance| {
            let (host, trust) = circumstances(round);
            let mut end = End::new(visit(&siege.door(host), trust));
            (attack.act)(&mut end, chance);
            if let Outcome::Ends(reasons) = attack.outcome {
                end.await_end();
                let goodbye = end.await_kind(frames::CLOSE);
                let words = goodbye.map_or_else(|| LEFT.concat(), |goodbye| goodbye.text());
                expect(&words, reasons);
            }
        });
    }
    siege.lift();
}

fn expect(end: &str, reasons: &[&str]) {
    assert!(reasons.iter().any(|reason| end.contains(reason)), "it ended with another reason: {end}");
}

/// Begins a connection as the rules are, and has it marked.
fn greet(end: &mut End, mark: u64) {
    end.push(&frames::hello());
    end.push(&frames::open(1));
    end.knock();
    assert!(end.call(frames::MARK, &frames::number(mark)).is_some(), "the victim greets");
}
