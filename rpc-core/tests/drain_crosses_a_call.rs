//! A call that was on its way when the peer began to drain: its caller is told, and its refusal is no offence.

use farcall_core::proto::{Event, Machine, NewCall, Role, Verdict};
use farcall_core::testkit::config;
use farcall_core::wire::{Answer, Opened};
use farcall_core::{Fate, Time};

const NOW: Time = Time::from_nanos(1);

fn machine(role: Role) -> Machine {
    Machine::new(config(role), NOW)
}

/// Everything that waits to be sent.
fn sent(machine: &mut Machine) -> Vec<Vec<u8>> {
    let frames = std::iter::from_fn(|| machine.poll_transmit(NOW));
    frames.map(|frame| [frame.head.as_slice(), frame.body()].concat()).collect()
}

/// The calls that failed on arrival of these frames, with their fates.
fn deliver(frames: &[Vec<u8>], to: &mut Machine) -> Vec<(u32, Fate)> {
    let mut failed = Vec::new();
    for frame in frames {
        let event = to.handle_frame(frame, NOW).expect("nobody breaks the rules");
        event.iter().for_each(|event| note(event, &mut failed));
        while let Some(event) = to.poll_event() {
            note(&event, &mut failed);
        }
    }
    failed
}

fn note(event: &Event<'_>, failed: &mut Vec<(u32, Fate)>) {
    if let Event::Verdict { token, verdict: Verdict::Error(error) } = event {
        failed.push((*token, error.fate()));
    }
}

fn call(machine: &mut Machine, token: u32) {
    let deadline = Time::from_nanos(1_000_000_000);
    let mut call =
        NewCall { token, object: 1, method: 0, body: vec![7], at: NOW, deadline, cause: None, priority: 0 };
    machine.call(&mut call).expect("it can be made");
}

#[test]
fn a_call_that_crosses_a_drain_is_not_executed_and_the_connection_lives() {
    let (mut client, mut server) = (machine(Role::Connecting), machine(Role::Accepting));
    client.open("Service", [("method", 0)].into_iter()).expect("a first service can be opened");
    deliver(&sent(&mut client), &mut server);
    server.answer_open(
        1,
        &Opened { known: true, answers: vec![Answer::Served], text: String::new(), shapes: Vec::new() },
    );
    deliver(&sent(&mut server), &mut client);
    call(&mut client, 1);
    deliver(&sent(&mut client), &mut server);

    call(&mut client, 2);
    let late = sent(&mut client);
    server.drain();
    assert_eq!(deliver(&sent(&mut server), &mut client), [(2, Fate::NotExecuted)]);

    deliver(&late, &mut server);
    assert_eq!(deliver(&sent(&mut server), &mut client), [], "its refusal is heard in silence");
}
