//! The life of a call that goes well, or is given up.

use farcall_core::limits::{MAX_FRAGMENT, MAX_HEAD};
use farcall_core::proto::{Config, Event, Left, Role, Stage, Verdict, WhenFull};
use farcall_core::wire::{Flags, Head, Kind, Options, decode_cancelled, decode_error};
use farcall_core::{Apart, Code, Error, Fate, Message, Time};

use super::lone::{Lone, MAX_MESSAGE, Told, call_head, config, frame, plain};

#[test]
fn calls_are_numbered_and_sent_in_start_order() {
    let mut lone = Lone::calling();
    for token in 0..4 {
        lone.try_call(token, vec![u8::try_from(token).unwrap(); 100], Time::NEVER).unwrap();
    }
    let said = lone.says();
    assert!(said.is_sorted_by(|a, b| a.call < b.call));
    assert!(said.is_sorted_by_key(|said| said.payload[0]));
}

#[test]
fn a_call_waits_for_credit_and_goes_with_the_first_verdict() {
    let mut lone = Lone::calling();
    for token in 0..5 {
        lone.calls(token);
    }
    let said = lone.says();
    assert_eq!(said.len(), 4);
    assert_eq!(lone.hears(&plain(Kind::Reply, said[2].call, b"v")), [Told::Value(2, b"v".to_vec())]);
    assert_eq!(lone.says_kinds(), [Kind::Call]);
}

#[test]
fn without_credit_a_call_may_fail_at_once() {
    let when_full = WhenFull::Fail;
    let mut lone = Lone::calling_with(Config { when_full, ..config(Role::Connecting) }, 1);
    lone.calls(0);
    let error = lone.try_call(1, vec![], Time::NEVER).unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::Overloaded, Fate::NotSent));
}

#[test]
fn a_large_message_goes_in_fragments_and_a_small_verdict_overtakes_a_large_one() {
    let mut lone = Lone::serving();
    let (large, small) = (lone.serves(1), lone.serves(2));
    lone.machine.reply(large, false, vec![1; 2 * MAX_FRAGMENT + 1]);
    lone.machine.reply(small, true, vec![2]);
    let said = lone.says();
    assert_eq!(said.iter().map(|said| said.call).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert_eq!(said[0].flags, Flags::FAILED);
    assert_eq!(said[1].flags, Flags::MORE);
    assert_eq!(said[2].flags, Flags::MORE.with(Flags::CONTINUED));
    assert_eq!(said[3].flags, Flags::CONTINUED);
    assert_eq!(said[1..].iter().map(|said| said.payload.len()).sum::<usize>(), 2 * MAX_FRAGMENT + 1);
}

#[test]
fn no_call_overtakes_a_call_that_is_being_cut() {
    let mut lone = Lone::calling();
    lone.try_call(0, vec![1; MAX_FRAGMENT + 1], Time::NEVER).unwrap();
    lone.calls(1);
    let calls: Vec<u64> = lone.says().iter().map(|said| said.call >> 16).collect();
    assert_eq!(calls, [1, 1, 2]);
}

#[test]
fn a_call_given_up_between_fragments_is_aborted_and_not_sent() {
    let mut lone = Lone::calling();
    let key = lone.try_call(0, vec![1; 3 * MAX_FRAGMENT], Time::NEVER).unwrap();
    lone.machine.poll_transmit(lone.now).unwrap();
    let left = lone.machine.cancel(key);
    assert_eq!((left, left.fate()), (Left::Abort(1 << 16), Fate::NotSent));
    assert_eq!(lone.says_kinds(), [Kind::Abort]);
    assert_eq!(lone.machine.outstanding(), 0);
}

#[test]
fn late_reply_after_cancel_is_ignored() {
    let mut lone = Lone::calling();
    let key = lone.calls(0);
    lone.says();
    assert_eq!(lone.machine.cancel(key), Left::Cancel(1 << 16));
    assert_eq!(lone.says_kinds(), [Kind::Cancel]);
    assert_eq!(lone.hears(&plain(Kind::Reply, 1 << 16, b"late")), []);
    assert_eq!(lone.machine.outstanding(), 0);
}

#[test]
fn a_request_that_is_postponed_has_not_begun() {
    let mut lone = Lone::serving();
    let (stays, leaves) = (lone.serves(1), lone.serves(2));
    assert!(lone.machine.postpone(stays) && lone.machine.postpone(leaves));
    assert_eq!(lone.hears(&plain(Kind::Cancel, 2, &[])), [Told::Stop(leaves)]);
    assert_eq!(decode_cancelled(&lone.says()[0].payload), Ok(Fate::NotExecuted));
    assert!(lone.machine.begin(stays) && !lone.machine.begin(leaves));
    assert_eq!(lone.hears(&plain(Kind::Cancel, 1, &[])), [Told::Stop(stays)]);
    assert!(!lone.machine.postpone(stays), "what is cancelled is not postponed");
    lone.machine.stopped(stays);
    assert_eq!(decode_cancelled(&lone.says()[0].payload), Ok(Fate::Started));
}

#[test]
fn a_cancel_before_dispatch_says_not_executed_and_after_it_started() {
    let mut lone = Lone::serving();
    let call = super::lone::frame(super::lone::call_head(1), farcall_core::wire::Options::default(), b"");
    let Told::Request(waiting, _) = lone.hears(&call).remove(0) else { panic!("a request") };
    assert_eq!(lone.hears(&plain(Kind::Cancel, 1, &[])), [Told::Stop(waiting)]);
    assert_eq!(decode_cancelled(&lone.says()[0].payload), Ok(Fate::NotExecuted));
    assert!(!lone.machine.begin(waiting), "a cancelled request is not dispatched");
    let running = lone.serves(2);
    assert_eq!(lone.hears(&plain(Kind::Cancel, 2, &[])), [Told::Stop(running)]);
    assert_eq!(lone.machine.stage(running), Some(Stage::Cancelled));
    lone.machine.stopped(running);
    assert_eq!(decode_cancelled(&lone.says()[0].payload), Ok(Fate::Started));
}

#[test]
fn the_first_verdict_of_a_handler_stands() {
    let mut lone = Lone::serving();
    let key = lone.serves(1);
    lone.machine.reply(key, false, vec![1]);
    lone.machine.reply(key, true, vec![2]);
    lone.machine.refuse(key, &Error::new(Code::Internal, Fate::Unknown, ""));
    lone.machine.stopped(key);
    assert_eq!(lone.says_kinds(), [Kind::Reply]);
    // The place is taken by another call: the old key finds nothing.
    let other = lone.serves(2);
    lone.machine.reply(key, false, vec![3]);
    assert_eq!(lone.machine.stage(other), Some(Stage::Running));
}

#[test]
fn the_sender_refuses_what_is_above_the_peers_limit() {
    let mut lone = Lone::calling();
    let error = lone.try_call(0, vec![0; MAX_MESSAGE + 1], Time::NEVER).unwrap_err();
    assert_eq!((error.code(), error.fate()), (Code::TooLarge, Fate::NotSent));
    let mut lone = Lone::serving();
    let key = lone.serves(1);
    lone.machine.reply(key, false, vec![0; MAX_MESSAGE + 1]);
    let error = decode_error(&lone.says()[0].payload).unwrap();
    assert_eq!((error.code(), error.fate()), (Code::TooLarge, Fate::Completed));
    assert!(error.to_string().contains("200001") && error.to_string().contains("200000"));
}

#[test]
fn a_ping_is_answered_with_its_own_number() {
    let mut lone = Lone::serving();
    lone.hears(&plain(Kind::Ping, 42, &[]));
    let said = lone.says();
    assert_eq!((said[0].kind, said[0].call), (Kind::Pong, 42));
}

#[test]
fn messages_are_cut_evenly_at_the_size_that_the_wire_likes() {
    let mut lone = Lone::serving();
    lone.machine.cut_at(1_000);
    let key = lone.serves(1);
    lone.machine.reply(key, false, vec![7; 1_000]);
    let key = lone.serves(2);
    lone.machine.reply(key, false, vec![7; 2_001]);
    let sizes: Vec<usize> = lone.says().iter().map(|said| said.payload.len()).collect();
    assert_eq!(sizes, [1_000, 704, 704, 593]);
}

#[test]
fn a_long_frame_is_lent_a_buffer_only_where_its_message_may_go_on() {
    let mut lone = Lone::serving();
    let begins = |flags, call| frame(Head { flags, ..call_head(call) }, Options::default(), &[1; 100]);
    let (more, on) = (Flags::MORE, Flags::MORE.with(Flags::CONTINUED));
    assert_eq!(lone.machine.lend(&begins(on, 1), 1_000), None, "nothing has begun");
    assert_eq!(lone.machine.lend(&plain(Kind::Open, 1, &[1; 100]), 1_000), None, "not a message");
    assert_eq!(lone.machine.lend(&begins(more, 1), MAX_MESSAGE), None, "it is too large");
    assert_eq!(lone.machine.lend(&begins(Flags::NONE, 1), 1_000), Some(vec![1; 100]));
    lone.hears(&begins(more, 1));
    assert_eq!(lone.machine.lend(&begins(more, 2), 1_000), None, "another has begun");
    assert_eq!(lone.machine.lend(&begins(on, 2), 1_000), None, "another has begun");
    assert_eq!(lone.machine.lend(&begins(on, 1), MAX_MESSAGE - 199), None, "it grows too large");
    assert_eq!(lone.machine.lend(&begins(on, 1), MAX_MESSAGE - 200), Some(vec![1; 200]));
}

#[test]
fn a_message_is_the_same_wherever_its_sender_cuts_it() {
    let message: Vec<u8> = (0..2_000).map(|at| (at % 251) as u8).collect();
    let mut lone = Lone::calling();
    for (token, first) in (0..150_usize).chain([1_000, 1_999]).enumerate() {
        lone.calls(token as u32);
        let call = lone.says()[0].call;
        let fragment =
            |flags, bytes| frame(Head { flags, ..Head::new(Kind::Reply, call) }, Options::default(), bytes);
        let second = first.midpoint(message.len());
        assert_eq!(lone.hears(&fragment(Flags::MORE, &message[..first])), []);
        assert_eq!(lone.hears(&fragment(Flags::MORE.with(Flags::CONTINUED), &message[first..second])), []);
        let told = lone.hears(&fragment(Flags::CONTINUED, &message[second..]));
        assert!(told == [Told::Value(token as u32, message.clone())], "cut at {first}");
    }
}

#[test]
fn what_stands_in_front_of_bytes_stays_apart_from_them_on_the_whole_way() {
    let (mut server, mut client) = (Lone::serving(), Lone::calling());
    client.calls(5);
    let call = client.says()[0].call;
    let key = server.serves(call);
    server.machine.reply_bytes(key, false, vec![1, 2, 3], vec![9; MAX_FRAGMENT]);
    let mut told = Vec::new();
    while let Some(sent) = server.machine.poll_transmit(server.now) {
        let frame = [sent.head.as_slice(), sent.body()].concat();
        if let Some(Event::Verdict { token: 5, verdict: Verdict::Value(payload) }) =
            client.machine.handle_frame(&frame, client.now).unwrap()
        {
            told.push(payload.into_message(Vec::with_capacity));
        }
    }
    let apart = Apart { front: vec![1, 2, 3], bytes: vec![9; MAX_FRAGMENT] };
    assert!(told == [Message::Apart(Box::new(apart))]);
}

#[test]
fn what_stands_in_front_counts_against_the_limit() {
    for (over, long) in [(0, false), (1, false), (0, true), (1, true)] {
        let mut lone = Lone::calling();
        lone.calls(0);
        let call = lone.says()[0].call;
        let fragment = |flags, size| {
            frame(Head { flags, ..Head::new(Kind::Reply, call) }, Options::default(), &vec![1; size])
        };
        lone.hears(&fragment(Flags::MORE, 10));
        let rest = fragment(Flags::CONTINUED, MAX_MESSAGE - 10 + over);
        let event = if long {
            let lent = lone.machine.lend(&rest[..MAX_HEAD], rest.len() - MAX_HEAD);
            assert_eq!(lent.is_some(), over == 0, "nothing is lent for what is too large");
            let buf = vec![1; MAX_MESSAGE - 10 + over];
            lone.machine.handle_long(&rest[..MAX_HEAD], rest.len() - MAX_HEAD, buf, lone.now)
        } else {
            lone.machine.handle_frame(&rest, lone.now)
        };
        assert_eq!(event.is_ok(), over == 0, "{event:?}");
    }
}

#[test]
fn a_message_is_kept_in_a_buffer_that_it_fills_at_least_by_half() {
    let mut lone = Lone::calling();
    for (token, size) in [MAX_MESSAGE, 40_000, 40_000, 70_000, MAX_MESSAGE, 33_000].into_iter().enumerate() {
        lone.calls(token as u32);
        let call = lone.says()[0].call;
        let mut message = None;
        let bytes = vec![7; size];
        for (at, part) in bytes.chunks(16_384).enumerate() {
            let more = if (at + 1) * 16_384 < size { Flags::MORE } else { Flags::NONE };
            let flags = if at == 0 { more } else { more.with(Flags::CONTINUED) };
            let head = Head { flags, ..Head::new(Kind::Reply, call) };
            let frame = frame(head, Options::default(), part);
            let event = lone.machine.handle_frame(&frame, lone.now).unwrap();
            if let Some(Event::Verdict { verdict: Verdict::Value(payload), .. }) = event {
                message = Some(payload.into_message(Vec::with_capacity).into_buffer());
            }
        }
        let message = message.expect("a verdict with the last fragment");
        assert!(message == bytes);
        assert!(message.capacity() <= 2 * size + 1, "{size} bytes in {}", message.capacity());
    }
}
