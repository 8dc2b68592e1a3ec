//! What cannot be seen from outside: how large the machine's tables grow.

use crate::proto::calls_out::CallsOut;
use crate::proto::{Left, NewCall};
use crate::time::Time;

fn call(token: u32) -> NewCall {
    NewCall {
        token,
        object: 1,
        method: 0,
        body: vec![0; 8],
        at: Time::default(),
        deadline: Time::NEVER,
        cause: None,
        priority: 0,
    }
}

#[test]
fn calls_given_up_without_credit_leave_nothing_behind() {
    let mut calls = CallsOut::default();
    let kept = calls.add(&mut call(0));
    for token in 1..100_000 {
        let key = calls.add(&mut call(token));
        assert_eq!(calls.leave(key), Left::NotSent);
        assert!(calls.places() < 200, "{} places for one call", calls.places());
    }
    assert_eq!(calls.queued(), 1);
    assert!(calls.pop(Time::default(), 1, 1).is_some());
    assert!(calls.number(kept).is_some());
}
