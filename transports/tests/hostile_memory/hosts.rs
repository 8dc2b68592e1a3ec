//! Attacks of a server upon a client: the table's rows, and how one is carried out.

use std::any::Any;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};

use farcall_core::testkit::Chance;

use crate::end::End;
use crate::frames::{self, Frame};
use crate::rendezvous::{Grant, LIMIT};
use crate::siege::{Siege, rounds};

/// One row. What the victim's call comes to has one of these words in it.
pub(crate) struct Trap {
    pub(crate) name: &'static str,
    pub(crate) told: &'static [&'static str],
    pub(crate) act: Act,
    /// Of how many bytes the victim's call is: not all of many find room at once.
    bytes: &'static [usize],
    /// Milliseconds that the victim waits for its call.
    patience: u64,
}

/// When the trap closes.
pub(crate) enum Act {
    /// The answer to the request is another than this, and goes over this socket.
    Grant(fn(&mut Grant, &mut Chance)),
    /// The hello is awaited.
    Greeting(fn(&mut End, &mut Chance)),
    /// The victim's call is awaited; this is it.
    Call(fn(&mut End, &Frame, &mut Chance)),
}

pub(crate) const fn trap(name: &'static str, told: &'static [&'static str], act: Act) -> Trap {
    Trap { name, told, act, bytes: &[5, 300_000], patience: 10_000 }
}

impl Trap {
    /// The same for a call of so many bytes.
    pub(crate) const fn for_calls_of(self, bytes: &'static [usize]) -> Trap {
        Trap { bytes, ..self }
    }

    /// The same for a victim that is not patient.
    pub(crate) const fn for_the_hasty(self) -> Trap {
        Trap { patience: 40, ..self }
    }
}

/// Carries out a table, each attack against a client that waits and one that is a task, and with both trusts.
pub(crate) fn carry_out(traps: &[Trap]) {
    let mut siege = Siege::lay();
    for trap in traps {
        siege.suffer(trap.name, rounds(), |siege, round, chance| lure(siege, trap, round, chance));
    }
    siege.lift();
}

fn lure(siege: &Siege, trap: &Trap, round: u64, chance: &mut Chance) {
    let path = siege.directory().join("trap");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("the path is free");
    let trust = if round / 2 % 2 == 0 { "same-user" } else { "hostile" };
    let url = format!("shm:{}?trust={trust}&ring=128KiB&max_message=1MiB", path.display());
    let bytes = chance.pick(trap.bytes);
    let coming = match round % 2 {
        0 => siege.control(0).visit(url, bytes, trap.patience).submit(),
        _ => siege.control(1).call_on(url, bytes, trap.patience).submit(),
    };
    let (socket, _) = listener.accept().expect("the victim comes");
    let kept = spring(trap, socket, chance);
    let told = coming.wait().expect("the victim lives");
    assert!(!told.contains(char::is_control), "an attacker's words reach the terminal: {told:?}");
    assert!(trap.told.iter().any(|words| told.contains(words)), "it was told otherwise: {told}");
    drop(kept);
}

/// Meets one victim; what is to be kept until it has been told.
fn spring(trap: &Trap, mut socket: UnixStream, chance: &mut Chance) -> Option<Box<dyn Any>> {
    socket.set_read_timeout(Some(LIMIT)).expect("a socket takes a timeout");
    let mut request = [0; 32];
    socket.read_exact(&mut request).expect("the victim asks");
    let mut grant = Grant::to(&request);
    if let Act::Grant(act) = trap.act {
        act(&mut grant, chance);
        grant.give(&socket);
        return grant.stays.then(|| Box::new(socket) as Box<dyn Any>);
    }
    grant.give(&socket);
    let mut end = Box::new(grant.end(socket));
    end.await_kind(frames::HELLO).expect("the victim greets");
    if let Act::Greeting(act) = trap.act {
        act(&mut end, chance);
        return Some(end);
    }
    end.say(&frames::hello());
    let opening = end.await_kind(frames::OPEN).expect("the victim opens a service");
    end.say(&frames::opened(&opening));
    let call = end.await_kind(frames::CALL).expect("the victim calls");
    if let Act::Call(act) = trap.act {
        act(&mut end, &call, chance);
    }
    Some(end)
}
