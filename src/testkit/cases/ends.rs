//! Connections and servers end in order.

use std::time::{Duration, Instant};

use crate::testkit::{Outcome, Pair, TestedClient};
use crate::{Client, Code, Fate};

/// `close()` is final for every handle of the connection.
pub async fn after_close_nothing_is_sent(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let clone = client.clone();
    assert_eq!(pair.get(client.negate(1)).await?, -1);
    pair.close(&client.connection()).await?;
    for client in [&client, &clone] {
        let error = pair.get(client.negate(2)).await.err().ok_or("the connection is closed")?;
        assert!(matches!(error.code(), Code::PeerGone(_)), "{error:?}");
        assert_eq!(error.fate(), Fate::NotSent, "{error:?}");
        assert!(client.negate(3).detach().is_err());
    }
    assert!(client.connection().open::<TestedClient>().is_err());
    pair.close(&client.connection()).await?;
    if !pair.is_single() {
        let fresh: TestedClient = pair.connect().await?;
        assert_eq!(pair.get(fresh.negate(4)).await?, -4);
    }
    Ok(())
}

/// New calls are refused, the one in flight comes to its end.
pub async fn shutdown_lets_a_call_in_flight_end(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let standing = client.stand(1).submit();
    // A cancel is still heard while the server drains: this one's opens the gate.
    let opening = client.stand_and_open(2, 1).submit();
    pair.get(client.come(1, 1)).await?;
    pair.get(client.come(2, 1)).await?;
    pair.get(client.shut_down(Duration::from_secs(20))).await?;
    let refused = loop {
        match pair.get(client.negate(1)).await {
            Ok(_) => pair.give_way().await,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::Draining, "{refused:?}");
    assert!(refused.fate().is_safe_to_retry(), "{refused:?}");
    drop(opening);
    assert_eq!(pair.get(standing).await?, 1);
    Ok(())
}

/// After its grace a shutdown waits for nobody; the caller learns that its call had begun.
pub async fn shutdown_ends_a_stuck_call(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let standing = client.stand(1).submit();
    pair.get(client.come(1, 1)).await?;
    let began = Instant::now();
    pair.get(client.shut_down(Duration::from_millis(50))).await?;
    let error = pair.get(standing).await.err().ok_or("the gate was never opened")?;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(error.fate(), Fate::Started, "{error:?}");
    let after = pair.get(client.negate(1)).await.err().ok_or("the server is gone")?;
    assert!(after.fate().is_safe_to_retry(), "{after:?}");
    Ok(())
}
