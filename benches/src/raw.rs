//! The raw subjects: one message there and one back, with nothing but system calls, or tokio, around them.

mod cacheline;
pub(crate) mod ends;
mod line;
mod tokio;

use std::io;
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::time::Duration;

use crate::case::{Case, Style, Wire};
use crate::measure::{Sample, measure, one_by_one};
use crate::peer::{Part, Peer, Role, parent_life};

use ends::Ends;
use line::Line;

/// The client of a raw case.
pub(crate) fn call(case: Case, server_core: Option<usize>, slice: Duration) -> io::Result<Sample> {
    let part = Part { core: server_core, ..Part::of(Role::Server, case) };
    if case.wire == Wire::CacheLine {
        return cacheline::call(&part, slice);
    }
    let (ours, theirs) = ends::pair(case.wire)?;
    let server = Peer::start(&part, Stdio::from(theirs.input), Stdio::from(theirs.output))?;
    match case.style {
        Style::Await => tokio::call(case, ours, server.pid(), slice),
        Style::Wait => {
            let line = Line::new(ours, server.life().try_clone_to_owned()?, case.waiting)?;
            let request = vec![0x5a; case.bytes];
            let mut reply = vec![0; case.bytes];
            measure(server.pid(), slice, |length, tally| {
                one_by_one(length, tally, || {
                    line.send(&request)?;
                    line.receive(&mut reply)
                })
            })
        }
    }
}

/// The server of a raw case: answers until the client goes.
pub(crate) fn serve(case: Case) -> io::Result<()> {
    if case.wire == Wire::CacheLine {
        return cacheline::serve();
    }
    let ends = Ends {
        input: io::stdin().as_fd().try_clone_to_owned()?,
        output: io::stdout().as_fd().try_clone_to_owned()?,
    };
    match case.style {
        Style::Await => tokio::serve(case, ends),
        Style::Wait => {
            let line = Line::new(ends, parent_life()?, case.waiting)?;
            let mut message = vec![0; case.bytes];
            loop {
                line.receive(&mut message)?;
                line.send(&message)?;
            }
        }
    }
}
