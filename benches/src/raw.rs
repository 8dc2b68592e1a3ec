//! The raw subjects: one message there and one back, with nothing but memory, system calls or tokio around them.

pub(crate) mod ends;
mod line;
mod queue;
mod region;
mod ring;
mod stamp;
mod tokio;
mod turns;
mod word;

use std::io;
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::Duration;

use crate::case::{Case, Style, Subject, Wire};
use crate::measure::{Sample, measure, one_by_one};
use crate::peer::{Part, Peer, Role, parent_life};

use ends::Ends;
use line::Line;
use stamp::Stamp;

/// What an eventfd takes and gives: the number one.
const ONCE: [u8; 8] = 1_u64.to_ne_bytes();

/// What goes there and back.
enum Means {
    /// One word of shared memory.
    Word,
    /// Bytes, through rings in shared memory.
    Ring,
    /// Bytes, through descriptors.
    Line,
    /// Nothing but the signal, through eventfds.
    Bell,
    /// Messages, through queues.
    Queue,
    /// Bytes, through sockets that tokio drives.
    Tokio,
}

fn means(case: Case) -> Means {
    match (case.subject, case.wire, case.style) {
        (Subject::Futex | Subject::SchedYield, ..) | (_, Wire::CacheLine, _) => Means::Word,
        (Subject::Ring, ..) => Means::Ring,
        (_, Wire::Mq, _) => Means::Queue,
        (Subject::Eventfd, ..) => Means::Bell,
        (_, _, Style::Await) => Means::Tokio,
        (_, _, Style::Wait) => Means::Line,
    }
}

/// The client of a raw case.
pub(crate) fn call(case: Case, server_core: Option<usize>, slice: Duration) -> io::Result<Sample> {
    let part = Part { core: server_core, ..Part::of(Role::Server, case) };
    match means(case) {
        Means::Word => word::call(case, &part, slice),
        Means::Ring => ring::call(case, &part, slice),
        Means::Queue => queue::call(case, &part, slice),
        Means::Tokio => {
            let (ours, server) = start(case, &part)?;
            tokio::call(case, ours, server.pid(), slice)
        }
        Means::Line => call_line(case, &part, slice),
        Means::Bell => call_bell(case, &part, slice),
    }
}

/// A server that has the other ends as its stdin and stdout.
fn start(case: Case, part: &Part) -> io::Result<(Ends, Peer)> {
    let (ours, theirs) = ends::pair(case.wire)?;
    let server = Peer::start(part, Stdio::from(theirs.input), Stdio::from(theirs.output))?;
    Ok((ours, server))
}

fn call_line(case: Case, part: &Part, slice: Duration) -> io::Result<Sample> {
    let (ours, server) = start(case, part)?;
    let line = Line::new(ours, server.life().try_clone_to_owned()?, case.waiting)?;
    let mut stamp = Stamp::new(case.bytes);
    let mut reply = vec![0; case.bytes];
    measure(server.pid(), slice, |length, tally| {
        one_by_one(length, tally, || {
            line.send(stamp.next())?;
            line.receive(&mut reply)?;
            stamp.check(&reply)
        })
    })
}

fn call_bell(case: Case, part: &Part, slice: Duration) -> io::Result<Sample> {
    let (ours, server) = start(case, part)?;
    let line = Line::new(ours, server.life().try_clone_to_owned()?, case.waiting)?;
    measure(server.pid(), slice, |length, tally| {
        one_by_one(length, tally, || {
            line.send(&ONCE)?;
            let mut count = [0; ONCE.len()];
            line.receive(&mut count)?;
            if count == ONCE { Ok(()) } else { Err(io::Error::other("the bell did not ring once")) }
        })
    })
}

/// The server of a raw case: answers until the client goes.
pub(crate) fn serve(case: Case) -> io::Result<()> {
    let bytes = match means(case) {
        Means::Word => return word::serve(case),
        Means::Ring => return ring::serve(case),
        Means::Queue => return queue::serve(case),
        Means::Tokio => return tokio::serve(case, inherited()?),
        Means::Line => case.bytes,
        Means::Bell => ONCE.len(),
    };
    let line = Line::new(inherited()?, parent_life()?, case.waiting)?;
    let mut message = vec![0; bytes];
    loop {
        line.receive(&mut message)?;
        line.send(&message)?;
    }
}

fn inherited() -> io::Result<Ends> {
    Ok(Ends {
        input: io::stdin().as_fd().try_clone_to_owned()?,
        output: io::stdout().as_fd().try_clone_to_owned()?,
    })
}
