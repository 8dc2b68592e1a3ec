//! Deadlines, cancelling, credit, and what a handler sees of its caller.

use std::time::{Duration, Instant};

use crate::testkit::{Outcome, Pair, TestedClient};
use crate::{Client, Code, Fate};

/// A deadline short enough to wait for.
const SHORT: Duration = Duration::from_millis(40);

/// How late a deadline may fire on a busy machine.
const LATE: Duration = Duration::from_secs(5);

#[track_caller]
fn is_in_time(began: Instant) {
    let took = began.elapsed();
    assert!(took >= SHORT && took < LATE, "a deadline of {SHORT:?} came after {took:?}");
}

/// The caller is told in time, and the server drops the handler.
pub async fn a_deadline_ends_a_call_and_its_handler(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let began = Instant::now();
    let error = pair.get(client.stand(1).deadline(SHORT)).await.err().ok_or("a standing call ends")?;
    is_in_time(began);
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    assert!(matches!(error.fate(), Fate::Unknown | Fate::Started), "{error:?}");
    assert!(error.to_string().contains("Tested.stand"), "{error}");
    pair.get(client.left(1, 1)).await?;
    assert_eq!(pair.get(client.negate(1)).await?, -1);
    Ok(())
}

/// No time at all is over before anything is sent.
pub async fn a_deadline_that_has_passed_sends_nothing(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let hasty = client.with_deadline(Duration::ZERO);
    for call in [client.append(1).deadline(Duration::ZERO), hasty.append(2), hasty.append(3).submit()] {
        let error = pair.get(call).await.err().ok_or("there was no time")?;
        assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent), "{error:?}");
        assert!(error.to_string().contains("Tested.append"), "{error}");
    }
    let error = hasty.append(4).detach().err().ok_or("there was no time")?;
    assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent), "{error:?}");
    assert_eq!(pair.get(client.list()).await?, [0_u64; 0]);
    Ok(())
}

/// The deadline of a handle is for its calls; a call's own is the stronger one.
pub async fn deadlines_of_handle_and_url_hold(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect_with(|connect| connect.deadline(SHORT)).await?;
    let began = Instant::now();
    let error = pair.get(client.stand(1)).await.err().ok_or("a standing call ends")?;
    is_in_time(began);
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    let patient = client.with_deadline(Duration::from_secs(40));
    let left = pair.get(patient.seen()).await?.left.ok_or("a handler has a deadline")?;
    assert!(left > Duration::from_secs(20) && left <= Duration::from_secs(40), "{left:?}");
    let left = pair.get(patient.seen().deadline(Duration::from_secs(15))).await?.left;
    assert!(left.is_some_and(|left| left <= Duration::from_secs(15)), "{left:?}");
    Ok(())
}

/// The server drops the future of a call whose caller does not want it any more.
pub async fn a_dropped_call_frees_its_handler(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let calls: Vec<_> = (0..8).map(|_| client.stand(1).submit()).collect();
    pair.get(client.come(1, 8)).await?;
    drop(calls);
    pair.get(client.left(1, 8)).await?;
    Ok(())
}

/// A `#[blocking]` handler is told by `cancelled()`.
pub async fn a_dropped_call_tells_a_blocking_handler(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let call = client.stand_blocking(1).submit();
    pair.get(client.come(1, 1)).await?;
    drop(call);
    pair.get(client.left(1, 1)).await?;
    // The handler hears of the deadline as early as the caller, so that its answer may still be in time.
    if let Err(error) = pair.get(client.stand_blocking(2).deadline(SHORT)).await {
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    }
    pair.get(client.left(2, 1)).await?;
    Ok(())
}

/// `context()`: the wire, who calls where that is known, the deadline; also where blocking is allowed.
pub async fn the_handler_sees_its_caller(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    for call in [client.seen(), client.seen_blocking()] {
        let seen = pair.get(call.deadline(Duration::from_secs(9))).await?;
        assert!(!seen.transport.is_empty());
        assert!(seen.pid.is_none_or(|pid| pid == std::process::id()), "{seen:?}");
        assert!(seen.left.is_some_and(|left| left <= Duration::from_secs(9) && left > SHORT), "{seen:?}");
        assert!(!seen.is_cancelled);
    }
    assert!(!client.transport().is_empty());
    assert!(client.url().contains(':'));
    Ok(())
}

/// More calls than the window wait for credit, and all of them end.
pub async fn the_window_of_calls_is_kept(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let window = u64::from(crate::limits::DEFAULT_WINDOW);
    let standing = crate::submit_all((0..window).map(|_| client.stand(1)));
    // A slow wire may still be taking those before it.
    loop {
        let error = pair.get(client.negate(1).deadline(SHORT)).await.err().ok_or("no credit is left")?;
        assert_eq!((error.code(), error.fate()), (Code::DeadlineExceeded, Fate::NotSent), "{error:?}");
        if error.to_string().contains(&format!("{window} in flight")) {
            break;
        }
    }
    let waiting = client.negate(2).submit();
    drop(standing);
    assert_eq!(pair.get(waiting).await?, -2);
    pair.get(client.left(1, window)).await?;
    Ok(())
}
