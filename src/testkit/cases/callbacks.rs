//! The server calls back on the connection on which it was called.

use std::time::Duration;

use crate::testkit::{ListenerServer, Outcome, Pair, Subject, TestedClient};
use crate::{Code, Error, submit_all};

/// A client that can be called back.
async fn connect(pair: &Pair) -> Result<TestedClient, Error> {
    pair.connect_with(|connect| connect.offer(ListenerServer::new(Subject::default()))).await
}

/// An `async` handler awaits what it asks of its caller.
pub async fn a_handler_calls_back(pair: &Pair) -> Outcome {
    let client = connect(pair).await?;
    for number in 0..20 {
        assert_eq!(pair.get(client.ask_back(number)).await?, number * 2);
    }
    Ok(())
}

/// A `#[blocking]` handler waits for it.
pub async fn a_blocking_handler_calls_back(pair: &Pair) -> Outcome {
    let client = connect(pair).await?;
    for number in 0..20 {
        assert_eq!(pair.get(client.ask_back_blocking(number)).await?, number * 2);
    }
    Ok(())
}

/// What is left here is all there is there.
pub async fn nested_calls_inherit_the_deadline(pair: &Pair) -> Outcome {
    let client = connect(pair).await?;
    let given = Duration::from_secs(12);
    let (here, there) = pair.get(client.nested_deadlines().deadline(given)).await?;
    assert!(here <= given && there <= here && !there.is_zero(), "given {given:?}, {here:?}, {there:?}");
    Ok(())
}

/// What a handler asks after its own deadline is not sent.
pub async fn nested_calls_after_the_deadline_are_not_sent(pair: &Pair) -> Outcome {
    let client = connect(pair).await?;
    // Handler and caller hear of the deadline at the same time, so that the answer may still be in time.
    if let Err(error) = pair.get(client.ask_back_late().deadline(Duration::from_millis(20))).await {
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    }
    assert_eq!(pair.get(client.late()).await?, "DeadlineExceeded, NotSent");
    Ok(())
}

/// Many at once, both ways.
pub async fn callbacks_and_calls_cross(pair: &Pair) -> Outcome {
    let client = connect(pair).await?;
    let asked = submit_all((0..50).map(|number| client.ask_back(number)));
    let plain = submit_all((0..50).map(|number| client.negate(number)));
    for (number, call) in (0..50).zip(plain) {
        assert_eq!(pair.get(call).await?, -number);
    }
    for (number, call) in (0..50).zip(asked) {
        assert_eq!(pair.get(call).await?, number * 2);
    }
    Ok(())
}
